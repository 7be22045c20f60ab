//! The names that Go knows in `\p{...}`: general categories and scripts, exactly as
//! spelled. The `regex` crate reads more and reads it loosely, so the names are checked here.

/// A class item that holds no character.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// The general categories. `Any` is Go's name for every character.
const CATEGORIES: [&str; 37] = [
    "Any", "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn",
    "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm",
    "So", "Z", "Zl", "Zp", "Zs",
];

/// The scripts of Unicode 15.
const SCRIPTS: &str = "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum \
    Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal \
    Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot \
    Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs \
    Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi \
    Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited \
    Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li \
    Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B \
    Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi \
    Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi \
    Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu \
    Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic \
    Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya \
    Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan \
    Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese \
    Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu \
    Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi \
    Zanabazar_Square";

/// The inside of a bracketed class of the `regex` crate that holds what Go's
/// `\p{name}` holds; `None` for a name that Go does not know.
pub(super) fn class_items(name: &str) -> Option<String> {
    match name {
        "Any" => Some(r"\x{0}-\x{10FFFF}".to_owned()),
        // In Go without the unassigned characters.
        "C" => Some(r"\p{gc=Cc}\p{gc=Cf}\p{gc=Co}".to_owned()),
        // Surrogates: no text holds any.
        "Cs" => Some(NOTHING.to_owned()),
        _ if CATEGORIES.contains(&name) => Some(format!(r"\p{{gc={name}}}")),
        _ if SCRIPTS.split(' ').any(|script| script == name) => Some(format!(r"\p{{sc={name}}}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_compiled() {
        for name in CATEGORIES.into_iter().chain(SCRIPTS.split(' ')) {
            let items = class_items(name).unwrap();
            regex::Regex::new(&format!("[{items}]")).unwrap();
        }
    }

    #[test]
    fn names_are_exact() {
        for name in [
            "",
            "greek",
            "Grek",
            "Letter",
            "Alphabetic",
            "Lu ",
            "Cn",
            "L&",
            "sc=Greek",
        ] {
            assert_eq!(class_items(name), None, "{name}");
        }
    }
}
