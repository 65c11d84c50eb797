//! A run: everything is started, and each row is taken from each target in turn.

use std::io;
use std::time::Instant;

use crate::colleagues::COLLEAGUES;
use crate::figures::{Key, Samples};
use crate::growth;
use crate::options::Options;
use crate::process;
use crate::real;
use crate::relays::RELAYS;
use crate::report;
use crate::rows::{ROWS, Row, When};
use crate::stage::{Servers, Stage, build};
use crate::target::{Kind, Target};
use crate::upstream::Upstream;

/// What is taken before real servers: how memory and descriptors grow is no affair of theirs.
const REAL: [&str; 6] = ["download", "append", "data", "fetch", "noop", "sign-on"];

/// What came of it.
pub(crate) struct Run {
    pub(crate) targets: Vec<(Kind, String)>,
    pub(crate) samples: Samples,
    pub(crate) missing: Vec<String>,
    pub(crate) rounds: usize,
    /// CPU seconds that the mail server itself took for a gigabyte of download.
    pub(crate) server_cpu: Option<f64>,
}

/// Measures, and tells.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let rows: Vec<&Row> = options
        .chosen(&ROWS, |row| row.name)?
        .into_iter()
        .filter(|row| !options.real || REAL.contains(&row.name))
        .collect();
    let binary = match &options.gatepost {
        Some(file) => file.canonicalize()?,
        None => build("release")?,
    };
    if options.real
        && let Some(what) = real::missing()
    {
        println!("Not measured before real servers: it needs {what}.");
        return Ok(());
    }
    let stage = if options.real { Stage::real()? } else { Stage::set()? };
    let Stage { setting, prepared, .. } = &stage;
    let direct = setting.behind.clone();
    if options.growth {
        let gatepost = prepared.instances(&binary);
        return growth::run(&growth::Bed { gatepost, direct, short: options.short }, options.write);
    }
    let mut targets = vec![
        Target::direct(Kind::Direct, "direct", direct.clone()),
        Target::start(Kind::Gatepost, "Gatepost".to_owned(), prepared.instances(&binary))?,
    ];
    if let Some(other) = &options.against {
        let other = other.canonicalize()?;
        let name = "Gatepost before".to_owned();
        targets.push(Target::start(Kind::Against, name, prepared.instances(&other))?);
    }
    let mut missing = Vec::new();
    for relay in &RELAYS {
        let wanted = |name: &String| relay.name.starts_with(name.as_str());
        if !options.targets.is_empty() && !options.targets.iter().any(wanted) {
            continue;
        }
        match relay.find(setting) {
            Ok(another) => targets.push(Target::start(Kind::Peer, relay.name.to_owned(), another)?),
            Err(what) => missing.push(what),
        }
    }
    for colleague in &COLLEAGUES {
        if !options.targets.is_empty() && !options.targets.iter().any(|it| it == colleague.name) {
            continue;
        }
        match colleague.find(setting) {
            Ok(another) => targets.push(Target {
                rows: Some(colleague.rows),
                ..Target::start(Kind::Colleague, colleague.name.to_owned(), another)?
            }),
            Err(what) => missing.push(what),
        }
    }
    missing.dedup();
    targets.push(Target::direct(Kind::DirectAgain, "direct again", direct));

    let mut run = Run {
        targets: targets.iter().map(|target| (target.kind, target.name.clone())).collect(),
        samples: Samples::default(),
        missing,
        rounds: options.rounds(),
        server_cpu: None,
    };
    if let Servers::Memory(upstream) = &stage.servers {
        run.server_cpu = Some(server_cpu(upstream, &targets[0], options)?);
    }
    let begin = Instant::now();
    for round in 0..run.rounds {
        let taken_now = |when: When| round % when.every(run.rounds) == 0;
        for target in &mut targets {
            if round > 0 && (target.kind != Kind::Colleague || taken_now(When::Seldom)) {
                target.renew()?;
            }
        }
        for row in &rows {
            if !taken_now(row.when) {
                continue;
            }
            eprint!("\r{:60}\rround {} of {}: {} ", "", round + 1, run.rounds, row.name);
            let turn = round / row.when.every(run.rounds);
            for place in 0..targets.len() {
                // Another begins each time, and they follow one another the other way round.
                let place = if turn % 2 == 0 { place } else { targets.len() - 1 - place };
                let number = (place + turn) % targets.len();
                let target = &targets[number];
                if target.kind == Kind::Colleague && !taken_now(When::Seldom)
                    || target.rows.is_some_and(|of| !of.contains(&row.name))
                {
                    continue;
                }
                let taken =
                    (row.take)(target, &options.effort_for(target.kind)).map_err(|error| {
                        io::Error::new(
                            error.kind(),
                            format!("{}, {}: {error}", row.name, target.name),
                        )
                    })?;
                for (key, value) in taken {
                    run.samples.add(key, number, round, value);
                }
                stage.clear()?;
            }
        }
    }
    eprintln!("\r{:60}\r{:.0} s", "", begin.elapsed().as_secs_f64());
    report::tell(&run);
    if options.write {
        if options.real { report::write_real(&run)? } else { report::write(&run)? }
    }
    complete(&run, &rows)
}

/// What the mail server itself costs: it is to be well below any proxy.
fn server_cpu(upstream: &Upstream, direct: &Target, options: &Options) -> io::Result<f64> {
    let processes = upstream.program.processes()?;
    let before = process::cpu(&processes)?;
    let (size, count) = options.effort().download;
    let mut client = direct.door.imap()?;
    client.ask("SELECT Large")?;
    (0..count).try_for_each(|_| client.ask(&format!("FETCH {size} (BODY.PEEK[])")))?;
    let gigabytes = (size * count * 1024 * 1024) as f64 / 1e9;
    Ok((process::cpu(&processes)? - before) / gigabytes)
}

/// Each row is to have given a figure of Gatepost; none is compared with anything.
fn complete(run: &Run, rows: &[&Row]) -> io::Result<()> {
    let gatepost = run.targets.iter().position(|(kind, _)| *kind == Kind::Gatepost).unwrap_or(0);
    let missing: Vec<Key> = rows
        .iter()
        .flat_map(|row| row.figures)
        .copied()
        .filter(|key| {
            !run.samples
                .median(*key, gatepost)
                .is_some_and(|value| value.is_finite() && value >= 0.0)
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!("no figure for {missing:?}")))
}
