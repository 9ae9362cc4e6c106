//! `GET /v1`: who is asking, and what may they do.

use bheka_model::ConfigObject;
use bheka_value::Value;

use crate::params::Params;
use crate::permission;
use crate::request::Request;
use crate::response::{Handled, Response};

const DOCUMENTATION: &str = "https://icinga.com/docs/icinga2/latest/";

/// Answers as JSON when the client asks for it, else as a page.
pub(crate) fn handle(
    request: &Request,
    user: &ConfigObject,
    version: &str,
    params: &Params,
) -> Handled {
    let permissions: Vec<String> = permission::permissions(user)
        .iter()
        .map(|entry| {
            let suffix = if entry.filter.is_some() {
                " (filtered)"
            } else {
                ""
            };
            format!("{}{suffix}", entry.pattern)
        })
        .collect();
    if request.accepts_json() {
        let info = format!(
            "More information about API requests is available in the documentation at \
             {DOCUMENTATION}"
        );
        let entry = Value::dictionary([
            ("info", Value::string(info)),
            (
                "permissions",
                Value::array(permissions.into_iter().map(Value::from)),
            ),
            ("user", Value::String(user.name.clone())),
            ("version", Value::string(version)),
        ]);
        return Response::json(
            200,
            params,
            &Value::dictionary([("results", Value::array([entry]))]),
        );
    }
    let list = if permissions.is_empty() {
        "Your user does not have any permissions.</p>".to_owned()
    } else {
        let items: String = permissions
            .iter()
            .map(|it| format!("<li>{}</li>", escape(it)))
            .collect();
        format!("Your user has the following permissions:</p> <ul>{items}</ul>")
    };
    let html = format!(
        "<html><head><title>Icinga 2</title></head><h1>Hello from Icinga 2 (Version: {})!</h1>\
         <p>You are authenticated as <b>{}</b>. {list}\
         <p>More information about API requests is available in the \
         <a href=\"{DOCUMENTATION}\" target=\"_blank\">documentation</a>.</p></html>",
        escape(version),
        escape(&user.name),
    );
    Ok(Response::with_body(200, "text/html", html))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
