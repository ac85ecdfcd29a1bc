/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/node.h"
enum status node_leave_preview(struct node *n, const char *e, node_leave_visit *v, void *arg)
{ (void)n; (void)e; (void)v; (void)arg; return ST_BUG; }
enum status node_destroy(struct node *n, const char *e, node_done *d, void *arg)
{ (void)n; (void)e; (void)d; (void)arg; return ST_BUG; }
enum status node_rekey(struct node *n, const char *e, node_done *d, void *arg)
{ (void)n; (void)e; (void)d; (void)arg; return ST_BUG; }
enum status node_away(struct node *n, const char *e, uint64_t u, node_done *d, void *arg)
{ (void)n; (void)e; (void)u; (void)d; (void)arg; return ST_BUG; }
enum status node_kit(struct node *n, struct buf *out)
{ (void)n; (void)out; return ST_BUG; }
enum status node_revoke(struct node *n, struct bytes kit, const uint8_t rk[32], const char *e, node_done *d, void *arg)
{ (void)n; (void)kit; (void)rk; (void)e; (void)d; (void)arg; return ST_BUG; }
enum status node_verify(struct node *n, const char *e, node_done *d, void *arg)
{ (void)n; (void)e; (void)d; (void)arg; return ST_BUG; }
enum status node_proof(struct node *n, const char *e, struct buf *out)
{ (void)n; (void)e; (void)out; return ST_BUG; }
enum status node_check_proof(struct node *n, struct bytes p, struct buf *out)
{ (void)n; (void)p; (void)out; return ST_BUG; }
enum status node_rehome(struct node *n, const char *e, const char *a, node_done *d, void *arg)
{ (void)n; (void)e; (void)a; (void)d; (void)arg; return ST_BUG; }
enum status node_propose_remove(struct node *n, const struct node_remove *r, node_done *d, void *arg)
{ (void)n; (void)r; (void)d; (void)arg; return ST_BUG; }
enum status node_policy(struct node *n, const char *e, node_setting_visit *v, void *arg)
{ (void)n; (void)e; (void)v; (void)arg; return ST_BUG; }
enum status node_propose_policy(struct node *n, const struct node_policy_change *r, node_done *d, void *arg)
{ (void)n; (void)r; (void)d; (void)arg; return ST_BUG; }
enum status node_withdraw(struct node *n, const char *e, const char *r, node_done *d, void *arg)
{ (void)n; (void)e; (void)r; (void)d; (void)arg; return ST_BUG; }
