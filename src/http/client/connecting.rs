//! Knows whether anything of a request can have been written.
//!
//! This layer sits around the connector: name, connection, proxy tunnel and TLS handshake are inside of it. Until it
//! reports success there is no stream to which a request could be written, whatever the error says of itself, so "not
//! sent" does not rest on the wording of an error.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Shared between the connector and whoever sorts its trouble.
#[derive(Clone, Default)]
pub(super) struct Connecting(Arc<AtomicBool>);

impl Connecting {
    /// Whether a connection stood at some time, so that the request may have been written.
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl<S> Layer<S> for Connecting {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, connecting: self.clone() }
    }
}

/// The connector with the layer around it.
#[derive(Clone)]
pub(super) struct Watched<S> {
    inner: S,
    connecting: Connecting,
}

impl<S, R> Service<R> for Watched<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connected = self.inner.call(target);
        let connecting = self.connecting.clone();
        Box::pin(async move {
            let connection = connected.await?;
            connecting.0.store(true, Ordering::SeqCst);
            Ok(connection)
        })
    }
}
