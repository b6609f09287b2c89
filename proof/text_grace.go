//go:build linux

package main

// apart is what was counted with and without the failover grace, in runs of its own.
const apart = `## With and without the failover grace

WithFailoverGrace is for the faults that lose what was acknowledged. They were counted apart, on 2026-11-29, with
redis-server 7.0.15 on two busy CPUs and a TTL of 1 s, in runs of 1 to 45 minutes like

    go -C proof run . -deploy sentinel -faults 'SENTINEL FAILOVER' -strikes 240s -for 1s -grace yes \
        -workers 2 -clients 5 -locks 600 -fresh 100ms -hold 2s -think 50ms

in which one to four kinds of fault strike again and again, while 12 or 20 goroutines take many new locks. (` + "`" + `-grace both` + "`" + ` runs
each deployment without and with it.) The grace was 1.02 s on one server, 4.08 s on "moved" (an address that is moved
by hand from a master to its replica; the old master goes on answering for up to 3 s), 16.32 s on Sentinel,
5.1 s on "brisk", whose Sentinels demote an old master five times as soon (SENTINEL DEBUG info-period 2000
publish-period 400), so that more failovers fit into a run, and 3.06 s on Cluster and on "min-replicas": brisk, with
min-replicas-to-write 2, all replicas, and min-replicas-max-lag 1. In part of the failovers by hand some clients are late to follow.

| deployment | fault | strikes without | followed by an overlap | overlaps | the longest | strikes with | overlaps | nobody got any lock for (median), without | with |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
| single | server killed (SIGKILL), nothing on disk | 79 | 19 | 36 | 598 ms | 341 | 0 | 0.9 s | 1.9 s |
| everysec | power cut, AOF everysec | 19 | 5 | 6 | 482 ms | 275 | 0 | – | 2.1 s |
| everysec | server killed (SIGKILL), AOF everysec | 19 | 0 | 0 | – | 227 | 0 | – | 1.9 s |
| rdb | server killed (SIGKILL), RDB | 45 | 7 | 14 | 677 ms | 338 | 0 | – | 2.5 s |
| moved | master killed, replica promoted by hand | 30 | 11 | 20 | 992 ms | 219 | 0 | 0.3 s | 4.1 s |
| moved | replica promoted by hand | 29 | 18 | 117 | 1.2 s | 221 | 0 | 0.3 s | 4.1 s |
| moved | replica promoted by hand, and given up again | 30 | 27 | 281 | 1.8 s | 220 | 0 | 0.3 s | 4.3 s |
| sentinel | SENTINEL FAILOVER | 21 | 21 | 216 | 1.8 s | 20 | 0 | 4.0 s | 17.4 s |
| sentinel | Sentinel failover, master frozen, then thawed | 7 | 4 | 15 | 1.0 s | 6 | 0 | 4.4 s | 20.6 s |
| sentinel | Sentinel failover, master killed | 6 | 0 | 0 | – | 2 | 0 | 4.1 s | – |
| sentinel | Sentinel failover, unreplicated writes lost | 6 | 2 | 4 | 461 ms | 2 | 0 | 4.0 s | – |
| brisk | SENTINEL FAILOVER | 16 | 16 | 56 | 1.1 s | 150 | 0 | 3.5 s | 6.2 s |
| brisk | Sentinel failover, master frozen, then thawed | 16 | 6 | 17 | 1.4 s | 150 | 0 | 4.1 s | 9.2 s |
| brisk | Sentinel failover, master killed | 16 | 0 | 0 | – | 151 | 0 | 3.9 s | 8.5 s |
| brisk | Sentinel failover, unreplicated writes lost | 15 | 0 | 0 | – | 150 | 0 | 3.9 s | 8.7 s |
| min-replicas | SENTINEL FAILOVER | 5 | 0 | 0 | – | 106 | 0 | 11.1 s | 6.1 s |
| min-replicas | Sentinel failover, master frozen, then thawed | 5 | 0 | 0 | – | 80 | 0 | 10.1 s | 9.2 s |
| min-replicas | Sentinel failover, master killed | 5 | 0 | 0 | – | 78 | 0 | 5.0 s | 7.1 s |
| min-replicas | Sentinel failover, unreplicated writes lost | 4 | 0 | 0 | – | 79 | 0 | 5.1 s | 7.4 s |
| cluster | CLUSTER FAILOVER TAKEOVER | 4 | 0 | 0 | – | 209 | 0 | 1.3 s | 0.9 s |
| cluster | Cluster failover, master frozen, then thawed | 5 | 1 | 1 | 9 ms | 207 | 0 | 1.1 s | 1.4 s |
| cluster | Cluster failover, master killed | 5 | 0 | 0 | – | 202 | 0 | 1.1 s | 1.3 s |
| cluster | Cluster failover, unreplicated writes lost | 5 | 0 | 0 | – | 203 | 0 | 1.2 s | 1.3 s |

So each way to lose writes struck 200 times or more, the Sentinels' on three deployments together. About four
fifths of the strikes were before R5 knew replicas by their addresses. The runs with the grace found nothing else either. After 2 of the strikes of SENTINEL FAILOVER on min-replicas the Sentinels named no other
master within 40 s. What it costs is in the last columns: nobody gets a lock until
the failover is over, and then for the grace. (A Cluster's other nodes go on. On min-replicas nobody gets a lock
until the old master is a replica again.)

The strikes can see a wrong grace. One that counts on an old master that stops at once (1.02 s on "moved") was
followed by overlaps after 10 of 11 strikes; one whose old master does not stop when it loses its replica, after 4
of 9. FAILOVER TO loses nothing: no overlap after 76 strikes without the grace and 10 with it.

Besides, every deployment went through 2 to 8 rounds of all kinds of faults with the grace, ` + "`" + `-grace yes -for 150s -workers 4 -clients 5` + "`" + `:
1,091 faults, 477,294 operations, and nothing found but the 177 overlaps that FLUSHALL, eviction and steps of the
server's clock excuse.

`
