//! A Prometheus of the test's own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use super::{Guarded, folder, free_port, loopback, text, wait_for};
use crate::support::process;

const PROGRAM: &str = "/usr/bin/prometheus";
const PATIENCE: Duration = Duration::from_secs(20);

/// Scrapes a Gatepost each second.
pub(crate) struct Prometheus {
    address: SocketAddr,
    log: PathBuf,
    _running: Guarded,
}

impl Prometheus {
    /// Scrapes what is at `target`, and goes by these rules.
    pub(crate) fn of(under: &Path, target: SocketAddr, rules: &Path) -> Self {
        let folder = folder(&under.join("prometheus"));
        let configuration = folder.join("prometheus.yml");
        let settings = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs: [{{job_name: gatepost, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(&configuration, settings).expect("a folder of ours");
        let address = loopback(free_port());
        let log = folder.join("log");
        let arguments = [
            format!("--config.file={}", text(&configuration)),
            format!("--storage.tsdb.path={}", text(&folder.join("data"))),
            format!("--web.listen-address={address}"),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let running = Guarded::start(PROGRAM, &arguments, &log);
        wait_for(address, "", &[&log]);
        // It takes connections before it has read what it has.
        let ready = format!("http://{address}/-/ready");
        let is_ready = || {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--fail", "--noproxy", "*", &ready]);
            process::run(&mut curl, b"", PATIENCE).status.success()
        };
        assert!(process::until(PATIENCE, is_ready), "not ready\n{}", process::tail(&log));
        Self { address, log, _running: running }
    }

    /// What a query gives now.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let answer = self.ask("query", &["--data-urlencode", &format!("query={query}")]);
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// The rules, with how they are.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let answer = self.ask("rules", &[]);
        let groups = answer["data"]["groups"].as_array().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
    }

    /// Waits until a query gives something.
    pub(crate) fn wait_for(&self, query: &str) {
        let came = process::until(PATIENCE, || !self.query(query).is_empty());
        assert!(came, "{query} gives nothing\n{}", process::tail(&self.log));
    }

    fn ask(&self, what: &str, arguments: &[&str]) -> Value {
        let url = format!("http://{}/api/v1/{what}", self.address);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--get", &url]).args(arguments);
        let said = process::run_well(&mut curl, b"", PATIENCE);
        serde_json::from_slice(&said).expect("JSON")
    }
}
