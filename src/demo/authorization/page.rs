//! The two pages a person may see.

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

/// In Gatepost's own colours, and with a band across the top: nobody should take this for Google.
const STYLE: &str = "\
:root{color-scheme:light dark;font:1.05rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;grid-template-rows:auto 1fr;\
background:light-dark(#f3f5f7,#16191d);color:light-dark(#1d2329,#e6e9ec)}\
header{padding:.6rem 1.5rem;text-align:center;background:#8a5a00;color:#fff}\
main{place-self:center;box-sizing:border-box;width:min(34rem,100vw - 3rem);margin:1.5rem;\
padding:2rem 2.5rem;border-radius:.8rem;background:light-dark(#fff,#22272d);\
box-shadow:0 1px 6px #0003}\
h1{margin:0 0 1rem;font-size:1.4rem;line-height:1.3}\
p,li{margin:.6rem 0;overflow-wrap:anywhere}\
ul{padding-left:1.2rem}\
code{display:block;font-size:.85rem;opacity:.75}\
form{display:flex;flex-wrap:wrap;gap:.75rem;justify-content:flex-end;margin-top:1.5rem}\
button{font:inherit;padding:.5rem 1.5rem;border-radius:.5rem;border:1px solid #1a7f4b;\
background:transparent;color:inherit;cursor:pointer}\
button[value=allow]{background:#1a7f4b;color:#fff}\
button:focus-visible{outline:3px solid #62a0ea;outline-offset:2px}";

/// No scripts and nothing from elsewhere; the form may lead on to the loopback redirect.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Asks for consent.
pub(super) fn consent(email: &str, scope: &str, request: &str) -> Response {
    let scopes: String = scope.split(' ').map(item).collect();
    let body = format!(
        "<h1>Gatepost asks for access to {}</h1>\
         <p>On this page Google would ask you, after you have signed in there, whether Gatepost \
         may</p><ul>{scopes}</ul>\
         <p>No real account is involved, and nothing leaves this computer.</p>\
         <form method=\"post\" action=\"/authorize/decision\">\
         <input type=\"hidden\" name=\"request\" value=\"{}\">\
         <button name=\"decision\" value=\"cancel\">Cancel</button>\
         <button name=\"decision\" value=\"allow\">Allow</button></form>",
        escape(email),
        escape(request),
    );
    page(StatusCode::OK, "Gatepost demo: sign in", &body)
}

/// A scope in words, with its name.
fn item(scope: &str) -> String {
    let words = match scope {
        super::MAIL_SCOPE => "read, write, send and delete all your mail",
        super::state::SCOPE_EMAIL => "see your address",
        super::state::SCOPE_PROFILE => "see your name and picture",
        "openid" => "know that it is you",
        _ => "do this:",
    };
    format!("<li>{words}<code>{}</code></li>", escape(scope))
}

/// Says what is wrong with a request that must not be redirected (RFC 6749 §4.1.2.1).
pub(super) fn refused(error: &str, words: &str) -> Response {
    let body = format!(
        "<h1>Access blocked</h1><p>{}</p><p>Error 400: {}</p>",
        escape(words),
        escape(error),
    );
    page(StatusCode::BAD_REQUEST, "Gatepost demo: access blocked", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\
         <header><strong>This is not Google.</strong> It is the stand-in of Gatepost’s demo.</header>\
         <main>{body}</main></body></html>"
    );
    (status, [(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
