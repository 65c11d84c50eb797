//! The two pages a person may see.

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;\
background:Canvas;color:CanvasText}\
main{max-width:28rem;margin:1rem;padding:2rem;border:1px solid color-mix(in srgb,CanvasText 20%,\
transparent);border-radius:.75rem}\
h1{font-size:1.25rem;margin:0 0 1rem}\
.note{border-left:4px solid #b8860b;padding:.25rem 0 .25rem .75rem;margin:0 0 1rem}\
form{display:flex;gap:.75rem;justify-content:flex-end;margin-top:1.5rem}\
button{font:inherit;padding:.5rem 1.25rem;border-radius:.5rem;border:1px solid #1a5fb4;\
background:transparent;color:inherit;cursor:pointer}\
button[value=allow]{background:#1a5fb4;color:#fff}\
button:focus-visible{outline:3px solid #62a0ea;outline-offset:2px}";

/// No scripts and nothing from elsewhere; the form may lead on to the loopback redirect.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Asks for consent.
pub(super) fn consent(email: &str, scope: &str, request: &str) -> Response {
    let scopes: String = scope
        .split(' ')
        .map(|scope| format!("<li><code>{}</code></li>", escape(scope)))
        .collect();
    let body = format!(
        "<h1>Allow mail access for {}?</h1>\
         <p class=\"note\">This is Gatepost's demo stand-in, not Google. No real account is \
         involved, and nothing leaves this computer.</p>\
         <p>Gatepost asks for:</p><ul>{scopes}</ul>\
         <form method=\"post\" action=\"/authorize/decision\">\
         <input type=\"hidden\" name=\"request\" value=\"{}\">\
         <button name=\"decision\" value=\"cancel\">Cancel</button>\
         <button name=\"decision\" value=\"allow\">Allow</button></form>",
        escape(email),
        escape(request),
    );
    page(StatusCode::OK, "Gatepost demo: sign in", &body)
}

/// Says what is wrong with a request that must not be redirected (RFC 6749 §4.1.2.1).
pub(super) fn refused(error: &str, words: &str) -> Response {
    let body = format!(
        "<h1>Access blocked</h1>\
         <p class=\"note\">This is Gatepost's demo stand-in, not Google.</p>\
         <p>{}</p><p>Error 400: {}</p>",
        escape(words),
        escape(error),
    );
    page(
        StatusCode::BAD_REQUEST,
        "Gatepost demo: access blocked",
        &body,
    )
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    (
        status,
        [(header::CONTENT_SECURITY_POLICY, POLICY)],
        Html(html),
    )
        .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
