// Access rules: may this peer come to that job? Guards for programs in C; see docs/access-sdk.md.
//
// Of every pointer you promise that it is NULL, or valid for what is read or written there, until the call returns; that a
// text ends with NUL; that a guard is one that was opened and is not closed. Everything else is checked. Only RH_ALLOW is a
// yes: a NULL, an argument that is none and a bug in here are a no.
//
// Made by registry/capi/tests/header.rs of the Rust source; do not edit.

#ifndef ROUNDHOUSE_ACCESS_H
#define ROUNDHOUSE_ACCESS_H

#include <stddef.h>
#include <stdint.h>

// The peer may come in. The only yes.
#define RH_ALLOW 0

// It may not.
#define RH_DENY 1

// An argument is NULL where it may not be, or no address. It may not.
#define RH_WRONG -1

// Other jobs live at the peer's address.
#define RH_SHARED_IP 1

// The identity is proved.
#define RH_PROVED 2

// The verdict would be the other one if the rules that are only tried out were in force.
#define RH_WOULD_DIFFER 4

// A session of this peer that was let in earlier ends now. Not set where what is known has only grown old.
#define RH_REVOKES 8

// Bytes of a rule's id, which has 128 at most, and its NUL.
#define RH_RULE 136

// Bytes of a JOBNAME, which has 600 at most, and its NUL.
#define RH_IDENTITY 608

// A peer that nobody knows is looked for once more.
#define RH_WAIT 1

// The connection is for no HTTP: rules that name methods or paths do not speak of it. Without it, and without `method`
// and `path`, its requests count as ones that nobody looks into: a deny for some of them denies it.
#define RH_NOT_HTTP 2

// The guard of one job's door. Any number of threads may ask it at once. It does not outlive fork(2): open it in the child.
typedef struct rh_guard rh_guard;

// How a guard is opened. Set all of it to zero, then `size` to its sizeof, then what is not to be the default.
typedef struct rh_options {
  // sizeof(rh_options).
  size_t size;
  // `http://hub:8400` (a gateway), `etcd://h1:2379,h2:2379`, or with TLS `https://…`, `etcds://…`. Not NULL.
  const char *registry_url;
  // The label of the job whose door it is. Not NULL.
  const char *job;
  // A file for this guard alone, in which it keeps what the registry said last. NULL: nowhere.
  const char *snapshot_path;
  // A file that decides where the registry was never heard. NULL: then the guard is not opened.
  const char *bootstrap_path;
  // What the keys in etcd begin with. NULL: `/roundhouse/v1`.
  const char *prefix;
  // PEM: who signs the registry's certificate; needed for `etcds://`.
  const char *ca;
  // PEM: a client certificate for etcd, and its key.
  const char *cert;
  const char *key;
  // A user of etcd, and the file with the password.
  const char *user;
  const char *password_file;
  // The file with the token for a gateway's API. NULL: ROUNDHOUSE_TOKEN_FILE or ROUNDHOUSE_TOKEN, if they are set.
  const char *token_file;
  // Milliseconds for the registry to answer where there is nothing else to decide from. 0: 5000.
  uint64_t wait_ms;
} rh_options;

// A decision. All texts end with NUL and are empty where there is nothing to say.
typedef struct rh_decision {
  // RH_ALLOW or RH_DENY.
  int32_t verdict;
  // RH_SHARED_IP, RH_PROVED, RH_WOULD_DIFFER, RH_REVOKES.
  uint32_t flags;
  // Why, as one of a closed list of words. Static, never NULL.
  const char *reason;
  // The registry's revision by which it was decided; 0: by the bootstrap file.
  uint64_t revision;
  // How many seconds ago the registry was last heard; 0 while it is there. How old the bootstrap file is, while that
  // decides. UINT64_MAX: nobody decided.
  uint64_t stale_seconds;
  // The rule that decided.
  char rule[RH_RULE];
  // The JOBNAME that the peer has, where that is one alone and somebody had to know.
  char identity[RH_IDENTITY];
} rh_decision;

// A question. Set all of it to zero, then `size` to its sizeof, then what is known.
typedef struct rh_ask {
  // sizeof(rh_ask).
  size_t size;
  // An address: of the other end, or whom a proxy named that is trusted. Not NULL.
  const char *peer;
  // The JOBNAME that the peer says it has.
  const char *claimed;
  // The text of the instance's token, as the peer showed it.
  const char *token;
  // The JOBNAME in the peer's client certificate, which you have verified.
  const char *certificate;
  // Of an HTTP request, with `path`; both or neither.
  const char *method;
  const char *path;
  // As it stands in the job's record, whichever the socket has.
  uint16_t port;
  // RH_WAIT, RH_NOT_HTTP.
  uint32_t flags;
} rh_ask;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Opens a guard. Waits for the registry, 5 s at most. NULL: it was not opened, and `error` says why.
// `registry_url`: `http://hub:8400` (a gateway), `etcd://h1:2379,h2:2379`, or with TLS `https://…`.
// `job`: the label of the job whose door it is. `snapshot_path`: a file for this guard alone, in which it keeps what the
// registry said last, or NULL.
struct rh_guard *rh_guard_open(const char *registry_url,
                               const char *job,
                               const char *snapshot_path,
                               char *error,
                               size_t error_len);

// The same with everything that there is to say.
struct rh_guard *rh_guard_open_with(const struct rh_options *options,
                                    char *error,
                                    size_t error_len);

// Whether the peer may come to the job's port: RH_ALLOW (0), RH_DENY (1) or RH_WRONG (-1: an argument is none). Only 0 is
// a yes. `peer`: an address, also with a zone or IPv4-mapped. `claimed`: the JOBNAME that the peer says it has; NULL or
// empty: it says none. `out`: where the decision goes, or NULL. Takes no lock and no memory.
int rh_guard_check(const struct rh_guard *guard,
                   const char *peer,
                   const char *claimed,
                   uint16_t port,
                   struct rh_decision *out);

// The same with everything that may be known of the peer; with RH_WAIT one that nobody knows is looked for once more,
// which may take half a second.
int rh_guard_ask(const struct rh_guard *guard,
                 const struct rh_ask *ask,
                 struct rh_decision *out);

// The registry's revision by which is decided now; 0: the bootstrap file decides, or the guard is NULL.
uint64_t rh_guard_revision(const struct rh_guard *guard);

// How many seconds ago the registry was last heard: 0 while it is there. How old the bootstrap file is, while that decides.
// UINT64_MAX: the guard is NULL.
uint64_t rh_guard_stale_seconds(const struct rh_guard *guard);

// Closes the guard, which nobody may ask any more, and waits for the last look at its snapshot: 2 s at most. NULL is
// closed already.
void rh_guard_close(struct rh_guard *guard);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ROUNDHOUSE_ACCESS_H */
