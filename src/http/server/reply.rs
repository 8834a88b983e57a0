//! From a request whose head is sound to the answer: the body read within its limits, the service asked.

use super::{Answer, Bytes, Cut, Limits, Refusal, Service, Unending, guests::Seat, plain::has_no_body, wire::Tally};
use http::{HeaderValue, Request, header::CONNECTION};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use std::{convert::Infallible, sync::Arc};
use tokio::time::timeout;

/// Whose answer it is.
pub(super) enum Asked {
    /// The service's own.
    Service,
    /// The service's own, and it is there already.
    Answer(Answer),
    /// The server's, in the service's dress.
    Refusal(Refusal),
}

/// Answers one request.
pub(super) async fn answer<S: Service>(
    service: Arc<S>,
    limits: Limits,
    seat: &Seat,
    tally: &Tally,
    asked: Asked,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    tally.begin();
    let mut answer = match asked {
        Asked::Refusal(refusal) => service.refuse(refusal),
        Asked::Answer(answer) => answer,
        Asked::Service => match read(request, limits).await {
            Ok(request) => {
                seat.is_served();
                service.answer(request).await
            }
            Err(refusal) => service.refuse(refusal),
        },
    };
    seat.is_served();
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(Cut { after }) = answer.extensions_mut().remove() {
        tally.cut(after);
    }
    if answer.extensions_mut().remove::<Unending>().is_some() {
        tally.never_ends();
    }
    Ok(answer)
}

/// The request with its body. A body that the method has no use for is never waited for.
async fn read(request: Request<Incoming>, limits: Limits) -> Result<Request<Bytes>, Refusal> {
    let (parts, body) = request.into_parts();
    if limits.body == 0 || has_no_body(&parts.method) {
        return Ok(Request::from_parts(parts, Bytes::new()));
    }
    if body.size_hint().lower() > u64::try_from(limits.body).unwrap_or(u64::MAX) {
        return Err(Refusal::BodyTooLarge);
    }
    match timeout(limits.head_time, Limited::new(body, limits.body).collect()).await {
        Ok(Ok(whole)) => Ok(Request::from_parts(parts, whole.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) => Err(Refusal::BadRequest),
        Err(_) => Err(Refusal::TooSlow),
    }
}
