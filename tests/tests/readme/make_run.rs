//! `make run` twice at once, and Ctrl-C twice in a row.

use crate::checkout::while_running;

#[test]
fn a_second_one_says_what_is_held_and_changes_nothing() {
    let (said, _) = while_running(
        r#"
        sed 's/"app2"/"app3"/' config/examples/stack.jobs > other.jobs
        records() { curl -s http://127.0.0.1:8400/v1/snapshot | grep '"key":"jobs/'; }
        data=config/examples/roundhouse-data
        records > records; cp $data/logs/gateway.log log; ls $data/logs > logs

        refused() { # TEXT CONFIG: the tour of this configuration is refused with the text, and all is as it was
          out=$(./target/debug/roundhouse tour --config "$2" --jobs other.jobs 2>&1) && fail "a second tour started: $out"
          echo "$out"
          case $out in *"$1"*) ;; *) fail "no '$1'";; esac
          case $out in *'Roundhouse serves'*) fail 'it pretended to work';; esac
          test -s records && records | cmp - records || fail 'the jobs have changed'
          head -c "$(stat -c %s log)" $data/logs/gateway.log | cmp - log || fail 'the log has changed'
          ls $data/logs | diff - logs || fail 'the logs are others'
        }
        refused 'in use by another gateway' config/examples/gateway.toml
        # A copy of it all has a data directory of its own, with the same gateway id; the ports are held.
        cp -r config copy
        refused 'admin.listen' copy/examples/gateway.toml
        echo "the first one is pid $(cat $data/lock)"
        "#,
    );
    let pid = said.split("the first one is pid ").nth(1).unwrap().lines().next().unwrap();
    assert!(said.contains(&format!("in use by another gateway (pid {pid}); stop that one")), "{said}");
    assert!(said.contains(&format!("held by roundhouse (pid {pid})")), "{said}");
}

#[test]
fn a_second_ctrl_c_leaves_nothing_running() {
    while_running(
        r#"
        running() { # PATTERN, which must not match itself
          for program in /proc/[0-9]*/cmdline; do tr '\0' ' ' 2>/dev/null < $program; echo; done | grep -E "$1"
        }
        running '[r]oundhouse sample' > /dev/null || fail 'nothing runs'
        kill -INT $tour
        until_contains 'Ctrl-C again: at once' 'cat tour.log' > /dev/null
        running '[r]oundhouse sample' > /dev/null || fail 'the drain is over before the second Ctrl-C'
        kill -INT $tour
        wait $tour || fail "the tour failed: $(cat tour.log)"
        running '([r]oundhouse|[j]ob-init) ' && fail 'something is left'
        "#,
    );
}
