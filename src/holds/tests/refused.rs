//! What is refused, and in which words.

use super::recurrence;

fn refused(text: &str) -> String {
    let read = recurrence(text, "2026-01-01 09:00", "2026-01-01 10:00");
    read.map(|_| ()).expect_err(text).to_string()
}

#[test]
fn a_refusal_names_the_part_and_what_stands_there() {
    for (text, message) in [
        ("", r"recurrence isn't a part of a recurrence rule"),
        (
            "DAILY",
            r#"recurrence: "DAILY" isn't a part of a recurrence rule"#,
        ),
        (
            "FREQ=DAILY;",
            "recurrence isn't a part of a recurrence rule",
        ),
        ("INTERVAL=2", "FREQ is missing"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is there twice"),
        ("FREQ=DAILY;BYDAY=MO;BYDAY=TU", "BYDAY is there twice"),
        (
            "FREQ=NEVER",
            r#"FREQ: "NEVER" isn't YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY"#,
        ),
        (
            "FREQ=DAILY;BYEASTER=1",
            r#"BYEASTER: "1" isn't a part of a recurrence rule"#,
        ),
        (
            "FREQ=DAILY;DTSTART=20260101",
            r#"DTSTART: "20260101" isn't a part of a recurrence rule"#,
        ),
        (
            "FREQ=DAILY;INTERVAL=0",
            r#"INTERVAL: "0" isn't a number from 1 to 2147483647"#,
        ),
        (
            "FREQ=DAILY;BYHOUR=24",
            r#"BYHOUR: "24" isn't a number from 0 to 23"#,
        ),
        (
            "FREQ=DAILY;BYHOUR=-1",
            r#"BYHOUR: "-1" isn't a number from 0 to 23"#,
        ),
        (
            "FREQ=DAILY;BYHOUR=",
            r#"BYHOUR isn't a number from 0 to 23"#,
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=0",
            r#"BYMONTHDAY: "0" isn't a number from 1 to 31 or from -31 to -1"#,
        ),
        (
            "FREQ=DAILY;BYDAY=garbageMO",
            "BYDAY: \"garbageMO\" isn't a number from 1 to 53 or from -53 to -1",
        ),
        (
            "FREQ=DAILY;BYDAY=M",
            r#"BYDAY: "M" isn't a weekday such as MO"#,
        ),
        (
            "FREQ=DAILY;BYDAY=ä",
            r#"BYDAY: "ä" isn't a weekday such as MO"#,
        ),
        (
            "FREQ=WEEKLY;BYDAY=1MO",
            "BYDAY has a number, as only rules that are MONTHLY, or YEARLY without BYWEEKNO, may \
             have",
        ),
        (
            "FREQ=MONTHLY;BYWEEKNO=2",
            "BYWEEKNO isn't allowed with this FREQ",
        ),
        (
            "FREQ=DAILY;BYYEARDAY=2",
            "BYYEARDAY isn't allowed with this FREQ",
        ),
        (
            "FREQ=WEEKLY;BYMONTHDAY=2",
            "BYMONTHDAY isn't allowed with this FREQ",
        ),
        (
            "FREQ=DAILY;BYSETPOS=1",
            "BYSETPOS needs another BY... part to choose from",
        ),
        (
            "FREQ=DAILY;COUNT=2;UNTIL=20270101",
            "COUNT stands beside UNTIL, and a rule has only one end",
        ),
        (
            "FREQ=DAILY;UNTIL=2027",
            r#"UNTIL: "2027" isn't a date or a time such as 20261231, 20261231T180000 or 20261231T180000Z"#,
        ),
        (
            "TZID=Mars/Olympus;FREQ=DAILY",
            r#"TZID: "Mars/Olympus" isn't an IANA time zone, spelled exactly"#,
        ),
        (
            "FREQ=DAILY\nRDATE:20260101",
            "recurrence: \"RDATE:20260101\" isn't a line EXDATE:..., the only kind that may \
             follow the rule",
        ),
    ] {
        assert_eq!(refused(text), message);
    }
}

#[test]
fn what_cannot_be_asked_in_bounded_time_is_refused() {
    let often = "comes more often than once a minute, and no hold is asked for more often";
    assert_eq!(
        refused("FREQ=SECONDLY;INTERVAL=3600"),
        format!("FREQ: \"SECONDLY\" {often}")
    );
    assert_eq!(
        refused("FREQ=MINUTELY;BYSECOND=0,30"),
        format!("BYSECOND {often}")
    );
    let minutes: Vec<String> = (0..60).map(|minute| minute.to_string()).collect();
    let minutes = minutes.join(",");
    assert_eq!(
        refused(&format!("FREQ=HOURLY;BYMINUTE={minutes};BYSECOND=0,30")),
        format!("BYSECOND {often}")
    );
    // Nothing is ever found.
    for never in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3",
        "FREQ=DAILY;UNTIL=20251231",
        "FREQ=DAILY;COUNT=1\nEXDATE:20260101",
    ] {
        let rule = never.lines().next().unwrap();
        assert_eq!(
            refused(never),
            format!("recurrence: \"{rule}\" has no occurrence within 100 years")
        );
    }
    assert_eq!(
        refused("FREQ=YEARLY;COUNT=1000"),
        "COUNT: \"1000\" reaches further than 100 years"
    );
    assert_eq!(
        refused("FREQ=DAILY;COUNT=4000000000"),
        "COUNT: \"4000000000\" isn't a number from 1 to 10000"
    );
    let exceptions = "20260101,".repeat(1001);
    assert_eq!(
        refused(&format!(
            "FREQ=DAILY\nEXDATE:{}",
            exceptions.trim_end_matches(',')
        )),
        "EXDATE has more than 1000 values"
    );
    let long = format!("FREQ=DAILY\n{}", " ".repeat(70_000));
    assert_eq!(refused(&long), "recurrence is longer than 65536 bytes");
}

#[test]
fn an_occurrence_has_a_length_and_not_more_than_a_year() {
    let read = |to: &str| recurrence("FREQ=YEARLY", "2026-01-01 09:00", to).map(|_| ());
    let refused = |to: &str| read(to).expect_err(to).to_string();
    assert_eq!(refused("2026-01-01 09:00"), "ends_at isn't after starts_at");
    assert_eq!(refused("2025-01-01 09:00"), "ends_at isn't after starts_at");
    let long = "recurrence has occurrences that last longer than 366 days";
    assert_eq!(refused("2027-01-02 09:00:00.000001"), long);
    assert_eq!(read("2027-01-02 09:00"), Ok(()));
}
