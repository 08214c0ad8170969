//! Logs and stores in an object store, against a real server of its protocol (the Python package `moto`); skipped visibly
//! without one.

use crate::harness::{Output, folder_with, program, root, run, sample_lines, skip, stdout, text};
use crate::invariance::DERIVED;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Serves S3 on a port of its own, which it prints; then does what each line says: `put FILE KEY`, `remove KEY` or `list`.
const SERVER: &str = r#"
import sys
try:
    import boto3
    from moto.server import ThreadedMotoServer
except ImportError:
    sys.exit(77)
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
client = boto3.client("s3", endpoint_url="http://127.0.0.1:%d" % port, aws_access_key_id="x",
                      aws_secret_access_key="x", region_name="us-east-1")
client.create_bucket(Bucket="shop")
print(port, flush=True)
for line in sys.stdin:
    words = line.split()
    if words[0] == "put":
        client.upload_file(words[1], "shop", words[2])
    elif words[0] == "remove":
        client.delete_object(Bucket="shop", Key=words[1])
    listing = client.list_objects_v2(Bucket="shop", Prefix=words[-1] if words[0] == "list" else "-")
    print(" ".join(sorted(item["Key"] for item in listing.get("Contents", []))), flush=True)
"#;

struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Server {
    fn start() -> Option<Server> {
        let home = std::env::var("HOME").unwrap_or_default();
        let python = std::env::var("LOGANALYZE_PYTHON")
            .unwrap_or_else(|_| format!("{home}/.cache/loganalyze/venv/bin/python3"));
        let started = Command::new(python)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut process) = started else {
            skip("no Python to serve objects");
            return None;
        };
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut server = Server { process, input, output: BufReader::new(output), port: 0 };
        match server.line().parse() {
            Ok(port) => server.port = port,
            Err(_) => {
                skip("the Python package moto[server] is not installed");
                return None;
            }
        }
        Some(server)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn say(&mut self, words: &str) -> String {
        writeln!(self.input, "{words}").unwrap();
        self.line()
    }

    fn put(&mut self, file: &Path, key: &str) {
        self.say(&format!("put {} {key}", text(file)));
    }

    fn command(&self, words: &[&str]) -> Command {
        Server::command_at(self.port, words)
    }

    fn command_at(port: u16, words: &[&str]) -> Command {
        let mut command = program();
        command.args(words).envs([
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ALLOW_HTTP", "true"),
        ]);
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let output = self.command(words).output().unwrap();
        Output {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn stdout(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.code, 0, "{words:?}: {}", output.stderr);
        output.stdout
    }

    /// Puts the sample's logs below an address.
    fn put_samples(&mut self) {
        for entry in std::fs::read_dir(root().join("sample_logs")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            self.put(&path, &format!("logs/web1/{name}"));
        }
    }
}

#[test]
fn logs_in_an_object_store_are_read_as_files_are() {
    let Some(mut server) = Server::start() else { return };
    server.put_samples();
    let expected = stdout(["event-counts", "sample_logs"]);
    for inputs in
        [&["s3://shop/logs"][..], &["s3://shop/logs/"], &["s3://shop/logs/*/user_activity*"], &["s3://shop"]]
    {
        assert_eq!(server.stdout(&[&["event-counts"], inputs].concat()), expected, "{inputs:?}");
    }
    let one = "user_activity-2025-03-11.log.gz";
    let local = stdout(["event-counts", &format!("sample_logs/{one}")]);
    let address = format!("s3://shop/logs/web1/{one}");
    assert_eq!(server.stdout(&["event-counts", &address, &address]), local);
    assert_eq!(server.stdout(&["app-levels", "s3://shop/logs"]), stdout(["app-levels", "sample_logs"]));
    for (input, why) in [
        ("s3://shop/none", "no log in 's3://shop/none'"),
        ("s3://shop/logs/*.none", "no object matches"),
        ("s3://other/logs", "cannot read s3://other/logs"),
        ("s3:///logs", "it names no bucket"),
    ] {
        let said = server.run(&["event-counts", input]);
        assert_eq!(said.code, 1, "{input}");
        assert!(said.stderr.contains(why), "{}", said.stderr);
    }
}

#[test]
fn a_store_of_objects_is_one_like_any_other() {
    let Some(mut server) = Server::start() else { return };
    let lines = sample_lines();
    let logs = folder_with(&[("user_activity.log", &lines[..900].concat())]);
    let log = logs.path().join("user_activity.log");
    let store = "s3://shop/deep/lake";
    let ingest = ["ingest", "s3://shop/logs", "--store", store, "--max-rejects", "100%"];
    let mut files = Vec::new();
    for (end, new) in [(900, 900), (900, 0), (2000, 1100), (lines.len(), lines.len() - 2000)] {
        // An object is replaced whole: the log that has grown.
        std::fs::write(&log, lines[..end].concat()).unwrap();
        server.put(&log, "logs/user_activity.log");
        let said = server.run(&ingest);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let read = said.stderr.lines().find(|line| line.contains(" = ")).unwrap().replace(',', "");
        assert!(read.starts_with(&format!("{new} line")), "{new}: {}", said.stderr);
        for more in [&[][..], &["--memory-limit", "1kB"]] {
            let of_store = server.stdout(&[DERIVED, &["--store", store], more].concat());
            assert!(of_store == stdout([DERIVED, &[text(logs.path()), "--max-rejects", "100%"]].concat()));
        }
        assert_eq!(server.run(&["store", "verify", store]).code, 0);
        files.push(server.say("list deep/lake/events").split(' ').count());
    }
    // What no longer counts is gone: no more files than are listed.
    let info = crate::harness::rows(&server.stdout(&["store", "info", store, "--format", "csv"]));
    let counted: usize = info[1..].iter().map(|day| day[2].parse::<usize>().unwrap()).sum();
    assert_eq!(files.last(), Some(&counted), "{files:?}");
    assert_eq!(server.run(&["store", "compact", store]).code, 0);
    assert_eq!(server.say("list deep/lake/events").split(' ').count(), info.len() - 1);
    assert_eq!(server.run(&["store", "prune", store, "--keep", "1d"]).code, 0);
    assert!(server.say("list deep/lake/events").split(' ').count() < info.len() - 1);
    let part = server.say("list deep/lake/events").split(' ').next().unwrap().to_owned();
    server.say(&format!("remove {part}"));
    let said = server.run(&["store", "verify", store]);
    assert!(said.code == 1 && said.stdout.contains("it is gone"), "{}", said.stdout);
}

#[test]
fn of_several_writers_at_once_each_wins_whole_or_not_at_all() {
    let Some(mut server) = Server::start() else { return };
    let lines = sample_lines();
    const WRITERS: usize = 6;
    let share = lines.len() / WRITERS;
    for (writer, lines) in lines.chunks(share).take(WRITERS).enumerate() {
        let logs = folder_with(&[("user_activity.log", &lines.concat())]);
        server.put(&logs.path().join("user_activity.log"), &format!("logs/web{writer}/user_activity.log"));
    }
    let store = "s3://shop/lake";
    let input = |writer: usize| format!("s3://shop/logs/web{writer}");
    let words = |input: &str| ["ingest", input, "--store", store, "--max-rejects", "100%"].map(str::to_owned);
    let mut left: Vec<usize> = (0..WRITERS).collect();
    let mut lost = 0;
    while !left.is_empty() {
        let start = |&writer: &usize| {
            let words = words(&input(writer));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut command = server.command(&words);
            (writer, command.stderr(Stdio::piped()).spawn().unwrap())
        };
        let started: Vec<(usize, Child)> = left.iter().map(start).collect();
        left.clear();
        for (writer, process) in started {
            let output = process.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => {}
                Some(75) => {
                    assert!(said.contains("was changed by another run meanwhile"), "{said}");
                    lost += 1;
                    left.push(writer);
                }
                code => panic!("{code:?}: {said}"),
            }
        }
    }
    assert!(lost > 0, "no two were at it at once");
    let whole = folder_with(&[("user_activity.log", &lines[..share * WRITERS].concat())]);
    let expected = run([DERIVED, &[text(whole.path()), "--max-rejects", "100%"]].concat());
    assert!(server.stdout(&[DERIVED, &["--store", store]].concat()) == expected.stdout);
    assert_eq!(server.run(&["store", "verify", store]).code, 0);
}

/// Reads one request from a client; where it puts a manifest, the server gets it only when the client has long given up.
fn pass_on(mut client: TcpStream, server: u16) -> std::io::Result<()> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body)?;
    let head = head_once(&request);
    let is_late = head.starts_with("PUT") && head.contains("manifest.json");
    if is_late {
        std::thread::sleep(Duration::from_secs(4));
    }
    let mut server = TcpStream::connect(("127.0.0.1", server))?;
    server.write_all(&[head.as_bytes(), &body].concat())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    if is_late { Ok(()) } else { client.write_all(&answer) }
}

/// The head of a request after which the connection is closed.
fn head_once(request: &[u8]) -> String {
    String::from_utf8_lossy(request).replacen("\r\n", "\r\nConnection: close\r\n", 1)
}

#[test]
fn a_manifest_that_the_server_takes_when_nobody_waits_any_more_finds_its_files() {
    let Some(mut server) = Server::start() else { return };
    let lines = sample_lines();
    let store = "s3://shop/late";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), server.port);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(move || pass_on(client.unwrap(), behind));
        }
    });
    for end in [700, 900] {
        let logs = folder_with(&[("user_activity.log", &lines[..end].concat())]);
        server.put(&logs.path().join("user_activity.log"), "late/user_activity.log");
        let words = ["ingest", "s3://shop/late", "--store", store, "--max-rejects", "100%"];
        let given_up = Server::command_at(port, &words).env("AWS_TIMEOUT", "2s").output().unwrap();
        let said = String::from_utf8_lossy(&given_up.stderr);
        assert!(given_up.status.code() == Some(1) && said.contains("the next run sees"), "{said}");
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(server.run(&["store", "verify", store]).code, 0);
        let again = server.run(&words);
        assert!(again.stderr.contains("0 new events"), "{}", again.stderr);
        let whole = stdout([DERIVED, &[text(logs.path()), "--max-rejects", "100%"]].concat());
        assert!(server.stdout(&[DERIVED, &["--store", store]].concat()) == whole);
    }
}
