use scraper::{Html, Selector};

use super::*;

/// A page with all its sections; whatever is a name is this text.
fn page(name: &str) -> Page {
    let table = |headings: &[&'static str]| Table {
        headings: headings.to_vec(),
        rows: vec![vec![name.to_owned(); headings.len()]],
        more: 7,
    };
    let hour = |place: u64| Hour {
        label: format!("{place:02}:00"),
        counts: [place, 2 * place, 0, 1, 0],
    };
    let hour_of_ticks = |place: u64| HourOfTicks {
        label: format!("{place:02}:00"),
        ticks: place,
        median_ms: 12.5,
        longest_ms: 480.0,
    };
    Page {
        database: name.to_owned(),
        at: "2024-03-05 09:00".to_owned(),
        zone: "UTC".to_owned(),
        reader: name.to_owned(),
        version: "0.0.0",
        status: Ok(Status {
            problem: Some(name.to_owned()),
            values: vec![("state", name.to_owned())],
        }),
        coming: Ok(Coming {
            hours: (0..24).map(hour).collect(),
            first: table(&["workspace", "owner"]),
        }),
        blocked: Ok(table(&["workspace", "why"])),
        holds: Err(name.to_owned()),
        agreement: Ok(name.to_owned()),
        ticks: Ok(Ticks {
            sentence: name.to_owned(),
            hours: (0..24).map(hour_of_ticks).collect(),
        }),
    }
}

/// The page, parsed; nothing in it may be wrong.
fn parsed(page: &Page) -> Html {
    let html = Html::parse_document(&render(page));
    assert!(html.errors.is_empty(), "{:?}", html.errors);
    html
}

fn texts(html: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    html.select(&selector)
        .map(|element| element.text().collect())
        .collect()
}

/// Names as people choose them who want to see something else on the page.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "</title></style></svg></td><img src=x onerror=alert(1)>",
    "\"><b onclick='x'>",
    "&lt;b&gt; &amp; &#60; &nosuch;",
    "<!-- <![CDATA[ ]]> --!>",
    "two\nlines\tand a tab",
    "{{ }} ${x} <%= %>",
    "名前 🦀 é",
];

#[test]
fn a_name_is_shown_as_it_is_and_adds_nothing_to_the_page() {
    let shape = |html: &Html| {
        let elements = html
            .tree
            .nodes()
            .filter_map(|node| node.value().as_element());
        elements
            .map(|element| element.name().to_owned())
            .collect::<Vec<_>>()
    };
    let plain = shape(&parsed(&page("dev")));
    for name in HOSTILE {
        let html = parsed(&page(name));
        assert_eq!(shape(&html), plain, "{name}");
        assert_eq!(
            texts(&html, "title").first().unwrap(),
            &format!("Workspaces of {name}")
        );
        assert!(texts(&html, "td").iter().all(|cell| cell == name), "{name}");
        assert_eq!(texts(&html, ".problem"), [name]);
        assert_eq!(texts(&html, ".left-out"), [format!("Left out: {name}")]);
    }
}

#[test]
fn what_html_has_no_place_for_or_misleads_the_eye_is_replaced() {
    for bad in [
        "\u{0}",
        "\u{1}",
        "\u{7f}",
        "\u{85}",
        "\u{fffe}",
        "\u{1ffff}",
        "\u{fdd0}",
        "\u{202e}",
        "\u{2066}",
    ] {
        let html = parsed(&page(&format!("a{bad}b")));
        assert_eq!(texts(&html, ".problem"), ["a\u{fffd}b"], "{bad:?}");
    }
}

#[test]
fn a_long_text_is_cut() {
    let html = parsed(&page(&"é".repeat(5000)));
    let cell = texts(&html, "td").remove(0);
    assert_eq!(cell.chars().count(), LONGEST + 1);
    assert!(cell.ends_with('…'));
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let html = parsed(&page("dev"));
    let elements = html
        .tree
        .nodes()
        .filter_map(|node| node.value().as_element());
    for element in elements {
        assert!(!["script", "link", "img", "iframe", "object"].contains(&element.name()));
        for (name, value) in element.attrs() {
            assert!(
                !["src", "href"].contains(&name) && !name.starts_with("on"),
                "{name}"
            );
            assert!(!value.contains("//") && !value.contains("url("), "{value}");
        }
    }
    let style = texts(&html, "style").concat();
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert!(style.contains("prefers-color-scheme: dark"));
}

#[test]
fn the_picture_has_a_bar_for_each_kind_in_each_hour_as_high_as_it_is_many() {
    let html = parsed(&page("dev"));
    let bars = Selector::parse("section:nth-of-type(2) rect").unwrap();
    let bars: Vec<_> = html.select(&bars).collect();
    // In the first hour there is but a mark; in the others starts and stops as well.
    assert_eq!(bars.len(), 1 + 23 * 3);
    let number =
        |place: usize, name| -> f64 { bars[place].value().attr(name).unwrap().parse().unwrap() };
    let last = bars.len() - 3;
    assert_eq!(bars[last].value().attr("class"), Some("start"));
    assert!((number(last + 1, "height") - 2.0 * number(last, "height")).abs() < 0.2);
    let touches = number(last + 1, "y") + number(last + 1, "height") - number(last, "y");
    assert!(touches.abs() < 0.2, "one stands on the other");
    assert!(
        bars.iter()
            .enumerate()
            .all(|(place, _)| number(place, "y") >= 0.0)
    );
    let said = texts(&html, "section:nth-of-type(2) g title");
    assert_eq!(said[0], "00:00: marks of dormancy 1");
    assert_eq!(said[3], "03:00: starts 3, stops 6, marks of dormancy 1");
    let legend = texts(&html, "section:nth-of-type(2) .legend li");
    assert_eq!(legend[0].trim(), "starts: 276");
}

#[test]
fn a_page_with_nothing_on_it_says_so() {
    let mut empty = page("dev");
    empty.status = Ok(Status::default());
    empty.coming = Ok(Coming::default());
    empty.blocked = Ok(Table::default());
    empty.holds = Ok(Table::default());
    empty.ticks = Ok(Ticks::default());
    let html = parsed(&empty);
    let said = texts(&html, "p").join(" ");
    for sentence in [
        "Nothing is wrong.",
        "Nothing comes within 24 hours.",
        "Nobody waits: whatever was due is built.",
        "Nothing is held.",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
    assert!(texts(&html, "td").is_empty());
}

#[test]
fn a_scale_ends_at_a_round_number() {
    use super::picture::round_up;
    for (value, end) in [
        (0.0, 1.0),
        (1.0, 1.0),
        (1.5, 2.0),
        (3.0, 5.0),
        (501.0, 1000.0),
    ] {
        assert!((round_up(value) - end).abs() < 1e-9, "{value}");
    }
    assert!(round_up(f64::MAX).is_finite() && round_up(f64::INFINITY).is_finite());
}
