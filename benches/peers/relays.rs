//! The peers that move bytes between plain TCP and TLS and sign nobody on: the best there is in C at
//! that. Each as Debian has it, and where that makes it faster once more with large buffers. All check
//! the server's certificate and its name, and resume TLS sessions, as Gatepost does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::client::Door;
use crate::process;
use crate::target::{Another, Launch};

/// What all of them are told.
pub(crate) struct Setting {
    /// A folder for theirs.
    pub(crate) folder: PathBuf,
    pub(crate) ca_file: PathBuf,
    /// The server, and how one signs on there through a relay.
    pub(crate) behind: Door,
}

pub(crate) struct Relay {
    pub(crate) name: &'static str,
    program: &'static str,
    package: &'static str,
    /// Names what is to be called with a configuration file.
    arguments: &'static [&'static str],
    configuration: fn(&Ways<'_>) -> String,
}

/// What goes into a configuration.
struct Ways<'s> {
    folder: &'s Path,
    ca_file: &'s Path,
    /// Where it listens, and where that leads.
    imap: [String; 2],
    smtp: [String; 2],
}

pub(crate) const RELAYS: [Relay; 5] = [
    Relay {
        name: "nginx",
        program: "nginx",
        package: "nginx-light libnginx-mod-stream",
        arguments: &["-c"],
        configuration: |ways| nginx(ways, ""),
    },
    Relay {
        name: "nginx 128k",
        program: "nginx",
        package: "nginx-light libnginx-mod-stream",
        arguments: &["-c"],
        configuration: |ways| nginx(ways, "proxy_buffer_size 128k;"),
    },
    Relay {
        name: "haproxy",
        program: "haproxy",
        package: "haproxy",
        arguments: &["-db", "-f"],
        configuration: |ways| haproxy(ways, ""),
    },
    Relay {
        name: "haproxy 128k",
        program: "haproxy",
        package: "haproxy",
        arguments: &["-db", "-f"],
        configuration: |ways| haproxy(ways, "tune.bufsize 131072"),
    },
    Relay {
        name: "stunnel",
        program: "stunnel4",
        package: "stunnel4",
        arguments: &[],
        configuration: stunnel,
    },
];

impl Relay {
    /// Prepares instances of it; what is missing, in words, if it isn't installed.
    pub(crate) fn find(&'static self, setting: &Rc<Setting>) -> Result<Another, String> {
        let missing = || format!("{} (Debian: {})", self.program, self.package);
        let program = process::installed(self.program).ok_or_else(missing)?;
        if self.program == "nginx" && !Path::new(NGINX_STREAM).exists() {
            return Err(missing());
        }
        let setting = Rc::clone(setting);
        Ok(Box::new(move || self.prepare(&program, &setting)))
    }

    fn prepare(&self, program: &Path, setting: &Setting) -> io::Result<Launch> {
        let folder = tempfile::Builder::new()
            .prefix(self.program)
            .tempdir_in(&setting.folder)?
            // The bench's own folder goes in the end, and all that is in it.
            .keep();
        let door = Door {
            imap: process::free_port()?,
            smtp: process::free_port()?,
            tls: None,
            sign_on: setting.behind.sign_on.clone(),
        };
        let ways = Ways {
            folder: &folder,
            ca_file: &setting.ca_file,
            imap: [door.imap.to_string(), setting.behind.imap.to_string()],
            smtp: [door.smtp.to_string(), setting.behind.smtp.to_string()],
        };
        let file = folder.join("configuration");
        fs::write(&file, (self.configuration)(&ways))?;
        let mut command = vec![program.display().to_string()];
        command.extend(self.arguments.iter().map(|&argument| argument.to_owned()));
        command.push(file.display().to_string());
        Ok(Launch { command, log: folder.join("log"), door, says_ready: false })
    }
}

/// Where Debian keeps it.
const NGINX_STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

fn nginx(ways: &Ways<'_>, more: &str) -> String {
    let Ways { folder, ca_file, imap, smtp } = ways;
    let (folder, ca_file) = (folder.display(), ca_file.display());
    let server = |[here, there]: &[String; 2]| {
        format!("server {{ listen {here} backlog=4096; proxy_pass {there}; }}")
    };
    format!(
        "load_module {NGINX_STREAM};\ndaemon off;\nworker_processes auto;\n\
         worker_rlimit_nofile 65536;\nerror_log stderr warn;\npid {folder}/pid;\n\
         events {{ worker_connections 4096; }}\n\
         stream {{\n{more}\nproxy_timeout 1h;\nproxy_ssl on;\nproxy_ssl_protocols TLSv1.2 TLSv1.3;\n\
         proxy_ssl_verify on;\nproxy_ssl_trusted_certificate {ca_file};\n\
         proxy_ssl_name localhost;\nproxy_ssl_server_name on;\n{}\n{}\n}}\n",
        server(imap),
        server(smtp),
    )
}

fn haproxy(ways: &Ways<'_>, more: &str) -> String {
    let Ways { ca_file, imap, smtp, .. } = ways;
    let listen = |name: &str, [here, there]: &[String; 2]| {
        format!(
            "listen {name}\n bind {here} backlog 4096\n server upstream {there} ssl verify required \
             ca-file {} sni str(localhost) verifyhost localhost\n",
            ca_file.display()
        )
    };
    format!(
        "global\n {more}\ndefaults\n mode tcp\n timeout connect 10s\n \
         timeout client 1h\n timeout server 1h\n{}{}",
        listen("imap", imap),
        listen("smtp", smtp),
    )
}

fn stunnel(ways: &Ways<'_>) -> String {
    let Ways { ca_file, imap, smtp, .. } = ways;
    let service = |name: &str, [here, there]: &[String; 2]| {
        format!(
            "[{name}]\nclient = yes\naccept = {here}\nconnect = {there}\nverifyChain = yes\n\
             CAfile = {}\ncheckHost = localhost\nsni = localhost\nTIMEOUTidle = 43200\n",
            ca_file.display()
        )
    };
    format!(
        "foreground = yes\npid =\ndebug = warning\nsocket = l:TCP_NODELAY=1\n\
         socket = r:TCP_NODELAY=1\n{}{}",
        service("imap", imap),
        service("smtp", smtp),
    )
}
