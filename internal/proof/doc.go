// Package proof puts locks through faults and checks what their clients saw.
//
// A director (Run) starts a deployment, worker processes with many clients each, and a plan
// of faults made from a seed. The workers take locks through a library's public API only
// (Contender) and report what happened, with times of CLOCK_MONOTONIC, which all processes
// of a machine share. At the end of a round, once everybody has let go, Check looks at the
// whole history.
//
// What it looks for:
//
//   - overlap: two sessions of one name that were alive at the same time by their own
//     contexts;
//   - inversion: a fence that is not larger than that of an earlier acquisition;
//   - lost update: two sessions that read, added one and wrote back, in a store that checks
//     fences, and both read the same;
//   - overtaken: a waiter that came later was served first, beyond the stated bounds;
//   - stuck: a lock that nobody has, that somebody waits for, and that nobody gets for longer
//     than the stated bound.
//
// Faults that the documentation excuses (lost writes, a key that was deleted, a server's
// clock that leaps) may lead to an overlap until the next renewal. Such an overlap counts
// apart, and only if one of these faults explains it in time; the fences and the store's
// updates hold under them, too. With a failover grace (Config.Grace) lost writes excuse nothing.
package proof
