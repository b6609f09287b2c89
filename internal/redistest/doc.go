// Package redistest provides what the tests of this module run against: an
// in-memory Redis on a fake network for testing/synctest (Fake), real servers,
// a Cluster and Sentinels (Start, StartCluster, StartSentinel), and control
// over the faults between a client and its server (Link).
package redistest
