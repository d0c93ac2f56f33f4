//! What there is at which path, and who may ask for it: one table, from which the router is made.
//!
//! A route cannot be added without saying whom it is for, and what the table does not know is refused, so nothing is
//! open by being forgotten.

use std::convert::Infallible;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use roundhouse_registry::record::{
    Cert, Director, Domain, Entrypoint, Gateway, Guard, Leader, Line, Pool, Record, Role, Rule, Token,
};

use super::records::{self, Kind, Writable};
use super::{
    Api, access, connections, directors, explain, health, holds, instance_pool, instances, jobs, leaders,
    leases, metrics, overview, snapshot, tokens, transfer, watch,
};

/// A record of the largest size, and room for what a registration has around it.
const AROUND: usize = 4 << 10;

/// Those that have a name (RFC 9110, 9.3; RFC 5789); of another one nobody is told whom the route is for.
const ANY: [Method; 8] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::OPTIONS,
    Method::PATCH,
    Method::TRACE,
    Method::CONNECT,
];

/// Whom a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Says nothing that anybody could use.
    Anybody,
    /// Whoever has this role, or one that includes it.
    Role(Role),
}

#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<(Method, &'static str, For)>,
}

/// The table and the router, which are always of the same routes.
pub(super) struct Routes {
    table: Table,
    router: Router<Api>,
}

pub(super) fn routes() -> Routes {
    use For::{Anybody, Role as R};
    use Role::{Admin, Hub, Operate, Read, Register};
    Routes { table: Table::default(), router: Router::new() }
        .get("/v1/jobs", R(Read), jobs::list)
        .get("/v1/jobs/{label}", R(Read), jobs::show)
        .put("/v1/jobs/{label}", R(Operate), jobs::put)
        .delete("/v1/jobs/{label}", R(Operate), jobs::delete)
        .get("/v1/instances", R(Read), instances::list)
        .get("/v1/instances/{label}", R(Read), instances::list_of_job)
        .post("/v1/instances/{label}", R(Register), instances::post)
        .get("/v1/instances/{label}/{id}", R(Read), instances::show)
        .put("/v1/instances/{label}/{id}", R(Register), instances::put)
        .delete("/v1/instances/{label}/{id}", R(Register), instances::delete)
        .post("/v1/instances/{label}/{id}/state", R(Register), instances::set_state)
        .post("/v1/instances/{label}/{id}/pool", R(Register), instance_pool::post)
        .delete("/v1/leases/{id}", R(Register), leases::revoke)
        .post("/v1/leases/{id}/keepalive", R(Register), leases::keep_alive)
        .read_only::<Director>(Read)
        .put_up_to(Director::MAX, Director::ONE, R(Operate), directors::put)
        .delete(Director::ONE, R(Operate), directors::delete)
        .read_only::<Leader>(Read)
        .put(Leader::ONE, R(Operate), leaders::put)
        .delete(Leader::ONE, R(Operate), leaders::delete)
        .read_only::<Gateway>(Read)
        // Whoever writes a certificate brings its key and sees none.
        .kind::<Cert>(Read, Operate)
        .kind::<Domain>(Read, Operate)
        .kind::<Entrypoint>(Read, Operate)
        .kind::<Guard>(Read, Operate)
        .kind::<Line>(Read, Operate)
        .kind::<Pool>(Read, Operate)
        .kind::<Rule>(Read, Operate)
        .kind::<Token>(Hub, Admin)
        .post("/v1/tokens", R(Admin), tokens::post)
        .get("/v1/health", R(Read), health::list)
        .get("/v1/holds", R(Read), holds::list)
        .delete("/v1/holds", R(Operate), holds::release_all)
        .delete("/v1/holds/{*what}", R(Operate), holds::release)
        .post("/v1/restore", R(Operate), holds::restore)
        .get("/v1/connections", R(Read), connections::list)
        .delete("/v1/connections", R(Operate), connections::close)
        .get("/v1/quarantine", R(Read), overview::quarantine)
        .get("/v1/snapshot", R(Read), snapshot::snapshot)
        // Everything, secrets and tokens included.
        .get("/v1/export", R(Admin), transfer::export)
        .post("/v1/import", R(Admin), transfer::post)
        .get("/v1/watch", R(Read), watch::watch)
        .post("/v1/access/check", R(Read), access::check)
        .post("/v1/access/test", R(Read), access::test)
        .all("/v1/access/auth/{job}", R(Read), access::auth::auth)
        .all("/v1/access/auth/{job}/", R(Read), access::auth::auth)
        .all("/v1/access/auth/{job}/{*rest}", R(Read), access::auth::auth)
        .get("/v1/status", R(Read), overview::status)
        .get("/v1/explain", R(Read), explain::handler)
        .get("/metrics", R(Read), metrics::metrics)
        .get("/healthz", Anybody, overview::healthz)
}

impl Routes {
    pub(super) fn into_parts(self) -> (Table, Router<Api>) {
        (self.table, self.router)
    }

    fn get<T: 'static>(self, path: &'static str, who: For, handler: impl Handler<T, Api>) -> Routes {
        self.on(Method::GET, path, who, on(MethodFilter::GET, handler))
    }

    fn put<T: 'static>(self, path: &'static str, who: For, handler: impl Handler<T, Api>) -> Routes {
        self.on(Method::PUT, path, who, on(MethodFilter::PUT, handler))
    }

    /// Of a kind whose records have at most as many bytes.
    fn put_up_to<T: 'static>(
        self,
        most: usize,
        path: &'static str,
        who: For,
        handler: impl Handler<T, Api>,
    ) -> Routes {
        let put = on(MethodFilter::PUT, handler).layer(DefaultBodyLimit::max(most + AROUND));
        self.on(Method::PUT, path, who, put)
    }

    fn post<T: 'static>(self, path: &'static str, who: For, handler: impl Handler<T, Api>) -> Routes {
        self.on(Method::POST, path, who, on(MethodFilter::POST, handler))
    }

    fn delete<T: 'static>(self, path: &'static str, who: For, handler: impl Handler<T, Api>) -> Routes {
        self.on(Method::DELETE, path, who, on(MethodFilter::DELETE, handler))
    }

    /// Whatever the method: it is somebody else's.
    fn all<T: 'static>(mut self, path: &'static str, who: For, handler: impl Handler<T, Api>) -> Routes {
        for method in ANY {
            self.table.entries.push((method, path, who));
        }
        self.router = self.router.route(path, axum::routing::any(handler));
        self
    }

    fn read_only<K: Kind>(self, reader: Role) -> Routes {
        self.get(K::ALL, For::Role(reader), records::list::<K>).get(
            K::ONE,
            For::Role(reader),
            records::show::<K>,
        )
    }

    fn kind<K: Writable>(self, reader: Role, writer: Role) -> Routes {
        self.read_only::<K>(reader).put_up_to(K::MAX, K::ONE, For::Role(writer), records::put::<K>).delete(
            K::ONE,
            For::Role(writer),
            records::delete::<K>,
        )
    }

    fn on(
        mut self,
        method: Method,
        path: &'static str,
        who: For,
        handler: MethodRouter<Api, Infallible>,
    ) -> Routes {
        self.table.entries.push((method, path, who));
        self.router = self.router.route(path, handler);
        self
    }
}

impl Table {
    /// `None`: there is no such route.
    pub(super) fn who(&self, method: &Method, path: &str) -> Option<For> {
        // HEAD is a GET without its body (RFC 9110, 9.3.2).
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let found = self.entries.iter().find(|(of, at, _)| of == method && *at == path);
        found.map(|(_, _, who)| *who)
    }

    /// Each path once, in the order of the table.
    pub(super) fn paths(&self) -> Vec<&'static str> {
        let mut paths: Vec<&str> = self.entries.iter().map(|(_, path, _)| *path).collect();
        paths.dedup();
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written for everybody else is read here by a person: a change of the table is a change of this.
    #[test]
    fn who_may_do_what() {
        let table = routes().into_parts().0;
        let of = |who: For| {
            let entries = table.entries.iter().filter(|(_, _, found)| *found == who);
            entries.map(|(method, path, _)| format!("{method} {path}")).collect::<Vec<_>>()
        };
        assert_eq!(of(For::Anybody), ["GET /healthz"]);
        assert_eq!(
            of(For::Role(Role::Register)),
            [
                "POST /v1/instances/{label}",
                "PUT /v1/instances/{label}/{id}",
                "DELETE /v1/instances/{label}/{id}",
                "POST /v1/instances/{label}/{id}/state",
                "POST /v1/instances/{label}/{id}/pool",
                "DELETE /v1/leases/{id}",
                "POST /v1/leases/{id}/keepalive",
            ]
        );
        assert_eq!(of(For::Role(Role::Hub)), ["GET /v1/tokens", "GET /v1/tokens/{name}"]);
        assert_eq!(
            of(For::Role(Role::Admin)),
            [
                "PUT /v1/tokens/{name}",
                "DELETE /v1/tokens/{name}",
                "POST /v1/tokens",
                "GET /v1/export",
                "POST /v1/import",
            ]
        );
        let operators = of(For::Role(Role::Operate));
        for writes in [
            "PUT /v1/directors/{name}",
            "DELETE /v1/directors/{name}",
            "PUT /v1/leaders/{name}",
            "DELETE /v1/leaders/{name}",
            "DELETE /v1/connections",
            "DELETE /v1/holds",
            "PUT /v1/entrypoints/{name}",
        ] {
            assert!(operators.iter().any(|entry| entry == writes), "{writes}");
        }
        // A reader changes nothing, and nobody else's route is only a look, but for the one that shows every secret.
        for (method, path, who) in &table.entries {
            // Questions, whatever their method.
            if path.starts_with("/v1/access/") {
                assert_eq!(*who, For::Role(Role::Read), "{method} {path}");
                continue;
            }
            let reads = *method == Method::GET;
            let reader =
                matches!(who, For::Anybody | For::Role(Role::Read | Role::Hub)) || *path == "/v1/export";
            assert_eq!(reads, reader, "{method} {path}");
        }
    }

    #[test]
    fn a_route_is_found_by_method_and_path_and_the_rest_is_nobodys() {
        let table = routes().into_parts().0;
        assert_eq!(table.who(&Method::HEAD, "/v1/jobs"), Some(For::Role(Role::Read)));
        assert_eq!(table.who(&Method::PUT, "/v1/jobs/{label}"), Some(For::Role(Role::Operate)));
        assert_eq!(table.who(&Method::PATCH, "/v1/jobs/{label}"), None);
        assert_eq!(table.who(&Method::GET, "/v1/nothing"), None);
        assert_eq!(table.paths()[..3], ["/v1/jobs", "/v1/jobs/{label}", "/v1/instances"]);
    }
}
