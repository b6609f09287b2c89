// Package kubernetes has the tests of docs/kubernetes.md: they play the kubelet and the Deployment controller
// with the manifests of that page. The folder leader has its example program.
package kubernetes
