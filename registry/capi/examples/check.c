/* May this peer come to that job?
 *
 *   cc check.c -o check -I registry/capi/include -L target/release -lroundhouse_access
 *   ./check http://127.0.0.1:8400 redis 6379 10.0.0.7 [JOBNAME [SNAPSHOT]]
 *
 * Prints the decision; ends with 0 for yes, 1 for no, 2 if there is nobody to ask. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "roundhouse_access.h"

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: check REGISTRY JOB PORT PEER [JOBNAME [SNAPSHOT]]\n");
    return 2;
  }
  char error[512];
  rh_guard *guard = rh_guard_open(argv[1], argv[2], argc > 6 ? argv[6] : NULL, error, sizeof error);
  if (guard == NULL) {
    fprintf(stderr, "check: %s\n", error);
    return 2;
  }

  /* A server does this for each connection that it accepts. RH_WAIT: the peer may have registered just now. */
  rh_ask ask = {.size = sizeof ask, .flags = RH_WAIT};
  ask.peer = argv[4];
  ask.claimed = argc > 5 ? argv[5] : NULL;
  ask.port = (uint16_t)strtoul(argv[3], NULL, 10);
  rh_decision decision;
  int answer = rh_guard_ask(guard, &ask, &decision);

  printf("%s reason=%s rule=%s identity=%s shared_ip=%d revision=%" PRIu64 " stale=%" PRIu64 "\n",
         answer == RH_ALLOW ? "allow" : "deny", decision.reason, decision.rule, decision.identity,
         (decision.flags & RH_SHARED_IP) != 0, decision.revision, decision.stale_seconds);
  rh_guard_close(guard);
  return answer == RH_ALLOW ? 0 : 1;
}
