//! An unmodified app dials the name: in namespaces of its own, whose resolv.conf names our DNS on port 53.

use std::fs;

use roundhouse_tests::{Background, SOON, TempDir, in_namespaces};

/// Everything inside the namespaces; `$ROUNDHOUSE` and `$JOB_INIT` are the programs. Its last line is `done`.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
mount --bind resolv.conf /etc/resolv.conf
mount --bind nsswitch.conf /etc/nsswitch.conf
"$ROUNDHOUSE" run --config gateway.toml &
for port_owner in app2=127.0.1.2 app3=127.0.1.3; do
  label=${port_owner%=*} address=${port_owner#*=}
  "$JOB_INIT" --registry http://127.0.0.1:8400 --job "$label" --address "$address" --port 1111 -- \
    "$ROUNDHOUSE" sample --name "$label" --listen "$address:1111" &
done
until_answer() { # COMMAND…: run it until it succeeds; the test's own deadline ends it
  until "$@" 2>/dev/null; do :; done
}
echo "curl app2: $(until_answer curl -sf --max-time 2 http://app2.jobs.coding.net:1111)"
echo "curl app3: $(until_answer curl -sf --max-time 2 http://app3.jobs.coding.net:1111)"
raw() { exec 3<>/dev/tcp/app2.jobs.coding.net/1111 && printf 'raw bytes\n' >&3 && head -n 1 <&3; }
echo "raw app2: $(until_answer raw)"
curl -s --max-time 2 http://nobody.jobs.coding.net:1111 || echo "curl nobody: exit $?"
echo done
"#;

#[test]
fn an_unmodified_app_dials_by_name_alone() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    write("nsswitch.conf", "hosts: files dns\n");
    write("gateway.toml", "[dns]\nlisten = \"127.0.0.1:53\"\n[names]\nzone = \"jobs.coding.net\"\n");
    write("script", SCRIPT);

    let mut command = in_namespaces("script".as_ref());
    command.current_dir(folder.path());
    let inside = Background::spawn(command);
    inside.wait_line(SOON * 3, "done");

    let said = inside.stdout();
    let line = |start: &str| said.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    assert!(line("curl app2: ").starts_with("curl app2: app2 127.0.1.2:1111"), "{said}");
    assert!(line("curl app3: ").starts_with("curl app3: app3 127.0.1.3:1111"), "{said}");
    assert_eq!(line("raw app2: "), "raw app2: raw bytes");
    // curl(1): 6, could not resolve host.
    assert_eq!(line("curl nobody: "), "curl nobody: exit 6");
}
