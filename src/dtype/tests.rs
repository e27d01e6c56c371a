//! dtypes against the texts that NumPy writes, against hostile text, and there and back.

use super::*;
use proptest::prelude::*;

/// Texts of `descr` as NumPy 2.4 and `ml_dtypes` 0.6 write them, and how the dtype is shown.
pub(crate) const NUMPY_DESCRS: &[(&str, &str)] = &[
    ("'|b1'", "bool"),
    ("'|i1'", "int8"),
    ("'<i2'", "int16"),
    ("'<i4'", "int32"),
    ("'<i8'", "int64"),
    ("'|u1'", "uint8"),
    ("'<u2'", "uint16"),
    ("'<u4'", "uint32"),
    ("'<u8'", "uint64"),
    ("'<f2'", "float16"),
    ("'<f4'", "float32"),
    ("'<f8'", "float64"),
    ("'<c8'", "complex64"),
    ("'<c16'", "complex128"),
    ("'>i2'", ">i2"),
    ("'>u8'", ">u8"),
    ("'>f2'", ">f2"),
    ("'>f4'", ">f4"),
    ("'>c16'", ">c16"),
    ("'<M8'", "datetime64"),
    ("'<m8'", "timedelta64"),
    ("'<M8[ns]'", "datetime64[ns]"),
    ("'<M8[7D]'", "datetime64[7D]"),
    ("'<M8[Y]'", "datetime64[Y]"),
    ("'<m8[25s]'", "timedelta64[25s]"),
    ("'<m8[2147483647as]'", "timedelta64[2147483647as]"),
    ("'>M8[us]'", ">M8[us]"),
    ("'|S10'", "S10"),
    ("'<U7'", "U7"),
    ("'>U7'", ">U7"),
    ("'|V3'", "V3"),
    ("[('a', '<f4'), ('b', '|u1')]", "{a: float32, b: uint8}"),
    ("[('a', '|u1'), ('', '|V7'), ('b', '<f8'), ('', '|V8')]", "{a: uint8, _: V7, b: float64, _: V8}"),
    ("[('', '|V4'), ('a', '>f4')]", "{_: V4, a: >f4}"),
    ("[('a', '|V4'), ('b', '<f4')]", "{a: V4, b: float32}"),
    ("[(('title', 'a'), '<f4'), ('b', '|u1')]", "{a: float32, b: uint8}"),
    ("[('a', '<f4', (2, 3)), ('b', '|u1', (3,)), ('c', '|V3', (2,))]", "{a: float32[2, 3], b: uint8[3], c: V3[2]}"),
    ("[('a', [('x', '<f4'), ('y', '<f4')], (2,))]", "{a: {x: float32, y: float32}[2]}"),
    (
        "[('a', [('x', '|u1'), ('', '|V7'), ('y', '<f8')], (2,)), ('b', '|u1'), ('', '|V7')]",
        "{a: {x: uint8, _: V7, y: float64}[2], b: uint8, _: V7}",
    ),
    ("[('a', '<f4', (0,)), ('', '|V128')]", "{a: float32[0], _: V128}"),
    ("[('é', '<f4')]", "{é: float32}"),
    ("[('日', '<f4')]", "{日: float32}"),
    (r#"[("it's", '<f4'), ('q"', '<f4'), ('both\'"', '<f4')]"#, "{it's: float32, q\": float32, both'\": float32}"),
    (r"[('nl\n\t\\\x7f\x00\xad\u200b', '<f4')]", "{nl\n\t\\\x7f\0\u{ad}\u{200b}: float32}"),
];

/// Any dtype of an array.
pub(crate) fn any_dtype() -> impl Strategy<Value = DType> {
    any_leaf().prop_recursive(3, 24, 4, |inner| any_struct(inner).boxed())
}

fn any_leaf() -> impl Strategy<Value = DType> {
    let unit = || {
        let symbol = prop::sample::select(&["Y", "M", "D", "h", "s", "ms", "ns", "as"]);
        let unit = (1..=2_147_483_647_u32, symbol).prop_map(|(count, symbol)| TimeUnit::new(count, symbol));
        unit.prop_map(|unit| unit.unwrap_or(TimeUnit::GENERIC))
    };
    let order = prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)];
    let native = prop_oneof![
        prop::sample::select(&Number::ALL).prop_map(DType::number),
        unit().prop_map(DType::datetime64),
        unit().prop_map(DType::timedelta64),
        (1..40_usize).prop_map(|chars| DType::native(Kind::Str(chars))),
        (1..40_usize).prop_map(|width| DType::native(Kind::Bytes(width))),
        (1..40_usize).prop_map(|width| DType::native(Kind::Void(width))),
    ];
    (native, order).prop_map(|(dtype, order)| match dtype.kind {
        Kind::Number(number) if number.is_foreign() => dtype,
        _ if dtype.has_order() => DType { order, ..dtype },
        _ => dtype,
    })
}

fn any_struct(inner: impl Strategy<Value = DType>) -> impl Strategy<Value = DType> {
    let shape = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(0..4_usize, 1..4)];
    let field = (any::<String>(), prop::option::of(any::<String>()), inner, shape, 0..9_usize);
    (prop::collection::vec(field, 1..5), 1..9_usize).prop_map(|(parts, tail)| {
        let mut end = 0;
        let place =
            |(index, (name, title, base, shape, gap)): (usize, (String, Option<String>, DType, Vec<_>, usize))| {
                let dtype = DType::subarray(base, &shape).unwrap_or(DType::U8);
                let field = Field::new(format!("{name}{index}"), dtype, end + gap);
                end = field.offset + field.dtype.itemsize();
                match title {
                    Some(title) => field.with_title(format!("{title}#{index}")),
                    None => field,
                }
            };
        let fields = parts.into_iter().enumerate().map(place).collect();
        DType::of_rust_struct(fields, end + tail)
    })
}

fn refusal(text: &str) -> String {
    DType::parse(text).map_or_else(|error| error.to_string(), |dtype| format!("no error but {dtype}"))
}

#[test]
fn descr_is_the_text_that_numpy_writes() -> Result<()> {
    for (text, shown) in NUMPY_DESCRS {
        // A header is a literal; what one gives to `np.dtype` is the text in the quotes.
        let dtype = DType::parse(text.trim_matches('\''))?;
        assert_eq!(dtype.descr(), *text);
        assert_eq!(dtype.to_string(), *shown);
        assert_eq!(dtype.npy_attribute(), None);
    }
    Ok(())
}

#[test]
fn names_and_codes_are_numpys() -> Result<()> {
    for (text, descr) in [
        ("?", "|b1"),
        ("bool", "|b1"),
        ("float64", "<f8"),
        ("f8", "<f8"),
        ("=f8", "<f8"),
        ("d", "<f8"),
        (">i1", "|i1"),
        ("<?", "|b1"),
        ("l", "<i8"),
        ("int", "<i8"),
        ("complex", "<c16"),
        ("M8", "<M8"),
        ("M8[generic]", "<M8"),
        ("M8[1ns]", "<M8[ns]"),
        ("datetime64[25s]", "<M8[25s]"),
        ("timedelta64", "<m8"),
        (">S10", "|S10"),
        ("=U3", "<U3"),
        ("S010", "|S10"),
        ("<V2", "|V2"),
        ("bfloat16", "<V2"),
        ("float8_e5m2", "<V1"),
    ] {
        assert_eq!(DType::parse(text)?.code(), descr, "{text}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_shared_is_refused_with_a_reason() {
    for (text, reason) in [
        ("O", "an object is an address in one process"),
        ("|O", "an object is"),
        ("[('a', '|O')]", "an object is"),
        ("T", "a StringDType keeps its text outside"),
        ("<f16", "a long double is not the same"),
        ("S", "an item is zero bytes wide"),
        ("|V0", "an item is zero bytes wide"),
        ("<U0", "an item is zero bytes wide"),
        ("[('a', '<f4', (0,))]", "an item is zero bytes wide"),
        ("[]", "dtype {} cannot be shared: a structured dtype has no fields"),
        ("[('', '|V8')]", "no fields"),
        ("[('', '<f4')]", "empty"),
        ("[('a', '<f4'), ('a', '<f4')]", "twice"),
        ("[(('a', 'a'), '<f4')]", "twice"),
        ("S2147483648", "wider than 2147483647 bytes"),
        ("U536870912", "wider than 2147483647 bytes"),
        ("U4611686018427387904", "wider than 2147483647 bytes"),
        ("[('a', '|V2147483647'), ('b', '|V2147483647')]", "wider than 2147483647 bytes"),
        ("('<f4', (536870912,))", "wider than 2147483647 bytes"),
        ("f3", "not a dtype"),
        ("", "not a dtype"),
        ("é", "not a dtype"),
        (">é", "not a dtype"),
        ("Sé", "not a dtype"),
        ("S-1", "not a dtype"),
        ("S99999999999999999999", "not a dtype"),
        (">float64", "not a dtype"),
        ("M8[", "not a dtype"),
        ("M8[0ns]", "not a dtype"),
        ("M8[2147483648s]", "not a dtype"),
        ("3f4", "not a dtype"),
        ("[('a', {'names': []})]", "dictionary"),
        ("[('a', 4)]", "a number is not a dtype"),
        ("['<f4']", "a field is not a tuple"),
        ("[(1, '<f4')]", "the name of a field"),
        ("[('a',)]", "a field is not"),
        ("[('a', '<f4', 'b')]", "shape of a sub-array"),
        ("[('a', '<f4', -1)]", "expected a value"),
    ] {
        let message = refusal(text);
        assert!(message.starts_with("dtype ") && message.contains(reason), "{text}: {message}");
    }
}

#[test]
fn errors_repeat_a_long_text_only_in_part() {
    assert!(refusal(&"x".repeat(1 << 20)).len() < 200);
    assert!(!refusal("f8\n\x1b[2J").contains('\x1b'));
}

#[test]
fn sizes_of_hostile_text_are_bounded() {
    let many = format!("[{}]", (0..5000).map(|i| format!("('f{i}', '|u1')")).collect::<Vec<_>>().join(", "));
    assert!(refusal(&many).contains("more than 1024 fields"));
    let deep = format!("{}'|u1'{}", "[('a', ".repeat(20), ")]".repeat(20));
    assert!(refusal(&deep).contains("nested more than 16 deep"));
    let deeper = format!("{}'|u1'{}", "[('a', ".repeat(100_000), ")]".repeat(100_000));
    assert!(refusal(&deeper).contains("fewer nested brackets"));
    assert!(DType::parse(&format!("{}'|u1'{}", "[('a', ".repeat(16), ")]".repeat(16))).is_ok());
    assert!(DType::parse(&format!("('<f4', ({}))", "1, ".repeat(33))).is_err());
}

#[test]
fn padding_makes_offsets_as_in_numpy() -> Result<()> {
    let dtype = DType::parse("[('', '|V4'), ('a', '<f4'), ('', '|V2', (2,)), ('b', '|u1'), ('', '|V3')]")?;
    let Kind::Struct(parts) = dtype.kind() else { panic!("{dtype} has no fields") };
    let offsets: Vec<_> = parts.fields().iter().map(|field| (field.name(), field.offset())).collect();
    assert_eq!(offsets, [("a", 4), ("b", 12)]);
    assert_eq!(dtype.itemsize(), 16);
    assert_eq!(dtype.descr(), "[('', '|V4'), ('a', '<f4'), ('', '|V4'), ('b', '|u1'), ('', '|V3')]");
    Ok(())
}

#[test]
fn structs_with_offsets_are_those_that_a_header_can_tell() {
    let of = |offsets: [usize; 2], itemsize| {
        let [a, b] = offsets;
        let fields = vec![Field::new("a", DType::F64, a), Field::new("b", DType::U8, b)];
        DType::structured_at(fields, itemsize).map(|dtype| dtype.descr()).ok()
    };
    assert_eq!(of([0, 8], 16).as_deref(), Some("[('a', '<f8'), ('b', '|u1'), ('', '|V7')]"));
    assert_eq!(of([8, 0], 16), None);
    assert_eq!(of([0, 7], 16), None);
    assert_eq!(of([0, 8], 8), None);
    assert_eq!(of([usize::MAX, usize::MAX], usize::MAX), None);
}

#[test]
fn sub_arrays_of_sub_arrays_have_all_the_dimensions() -> Result<()> {
    let nested = DType::subarray(DType::subarray(DType::F32, &[2])?, &[3])?;
    assert_eq!(nested, DType::subarray(DType::F32, &[3, 2])?);
    assert_eq!(DType::subarray(DType::F32, &[])?, DType::F32);
    assert_eq!(DType::parse("[('a', ('<f4', (2,)), (3,))]")?.descr(), "[('a', '<f4', (3, 2))]");
    assert!(DType::subarray(DType::F32, &[usize::MAX, 2]).is_err());
    Ok(())
}

#[test]
fn one_byte_is_native_in_any_order() -> Result<()> {
    for (text, native) in [
        (">u1", true),
        (">S3", true),
        (">V3", true),
        (">f4", false),
        (">U1", false),
        (">M8[s]", false),
        ("[('a', '<f4'), ('b', '>f4')]", false),
        ("[('a', [('b', '>i2', (2,))])]", false),
        ("[('a', [('b', '>i1', (2,))])]", true),
    ] {
        assert_eq!(DType::parse(text)?.is_native(), native, "{text}");
    }
    Ok(())
}

#[test]
fn constants_match_as_patterns() {
    let seen = match DType::F64 {
        DType::F32 => 4,
        DType::F64 => 8,
        _ => 0,
    };
    assert_eq!(seen, 8);
}

#[test]
fn small_floats_travel_as_bytes_and_an_attribute() -> Result<()> {
    let dtype = DType::structured([("x", DType::F32), ("y", DType::BFLOAT16)])?;
    assert_eq!(dtype.descr(), "[('x', '<f4'), ('y', '<V2')]");
    assert_eq!(dtype.npy_attribute().as_deref(), Some("[('x', '<f4'), ('y', 'bfloat16')]"));
    assert_eq!(DType::BFLOAT16.npy_attribute().as_deref(), Some("bfloat16"));

    let seen = DType::parse("<V2")?;
    assert_eq!(seen.with_npy_attribute("bfloat16")?, DType::BFLOAT16);
    for contradiction in ["float8_e5m2", "float16", "f4", "nonsense"] {
        assert!(seen.with_npy_attribute(contradiction).is_err());
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read(dtype in any_dtype()) {
        prop_assert!(dtype.check().is_ok());
        let descr = dtype.descr();
        let seen = DType::parse(descr.trim_matches('\''))?;
        prop_assert_eq!(&seen.descr(), &dtype.without_foreign().descr());
        prop_assert_eq!(seen.itemsize(), dtype.itemsize());
        prop_assert_eq!(seen.is_native(), dtype.is_native());
        let read = dtype.npy_attribute().map_or(Ok(seen.clone()), |attribute| seen.with_npy_attribute(&attribute))?;
        prop_assert_eq!(read, dtype);
    }

    #[test]
    fn no_text_panics(text in r#"[\[('"a<f4,) \]SUVM8ns{}0-9\\]{0,40}|.*"#) {
        if let Ok(dtype) = DType::parse(&text) {
            prop_assert!(dtype.check().is_ok());
        }
    }
}
