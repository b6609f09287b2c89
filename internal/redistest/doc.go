// Package redistest provides what the tests of this module run against: an
// in-memory Redis on a fake network for testing/synctest (Fake), real servers,
// a Cluster and Sentinels (Start, StartCluster, StartSentinel), and control
// over the faults between a client and its server (Link).
//
// HOLDFAST_REDIS_SERVER in the environment names the redis-server, or Valkey's, to start instead of the one on PATH.
//
// Two other variables decide how much is tested. With
// HOLDFAST_TEST=full every test goes through all its phases, seeds and rounds;
// else those that have a great many go through a part (Phases, Rounds). With HOLDFAST_TEST=servers
// what needs no server is left out (NeedsServer). With
// HOLDFAST_REQUIRE_REDIS=1 a test fails where a program it needs is missing;
// else it is skipped.
package redistest
