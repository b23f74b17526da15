//! Files that every Protobuf compiler brings along, and those that Confluent's registry adds: which types they declare. A schema may import
//! them without a reference.

/// Files to the types in them; a star marks an enum.
const KNOWN: [(&str, &[&str]); 24] = [
    ("google/protobuf/any.proto", &["google.protobuf.Any"]),
    (
        "google/protobuf/api.proto",
        &["google.protobuf.Api", "google.protobuf.Method", "google.protobuf.Mixin"],
    ),
    (
        "google/protobuf/descriptor.proto",
        &[
            "google.protobuf.FileDescriptorSet",
            "google.protobuf.FileDescriptorProto",
            "google.protobuf.DescriptorProto",
            "google.protobuf.FieldDescriptorProto",
            "google.protobuf.OneofDescriptorProto",
            "google.protobuf.EnumDescriptorProto",
            "google.protobuf.EnumValueDescriptorProto",
            "google.protobuf.ServiceDescriptorProto",
            "google.protobuf.MethodDescriptorProto",
            "google.protobuf.FileOptions",
            "google.protobuf.MessageOptions",
            "google.protobuf.FieldOptions",
            "google.protobuf.OneofOptions",
            "google.protobuf.EnumOptions",
            "google.protobuf.EnumValueOptions",
            "google.protobuf.ServiceOptions",
            "google.protobuf.MethodOptions",
            "google.protobuf.ExtensionRangeOptions",
            "google.protobuf.UninterpretedOption",
            "google.protobuf.FeatureSet",
            "*google.protobuf.Edition",
            "google.protobuf.SourceCodeInfo",
            "google.protobuf.GeneratedCodeInfo",
        ],
    ),
    ("google/protobuf/duration.proto", &["google.protobuf.Duration"]),
    ("google/protobuf/empty.proto", &["google.protobuf.Empty"]),
    ("google/protobuf/field_mask.proto", &["google.protobuf.FieldMask"]),
    ("google/protobuf/source_context.proto", &["google.protobuf.SourceContext"]),
    (
        "google/protobuf/struct.proto",
        &[
            "google.protobuf.Struct",
            "google.protobuf.Value",
            "*google.protobuf.NullValue",
            "google.protobuf.ListValue",
        ],
    ),
    ("google/protobuf/timestamp.proto", &["google.protobuf.Timestamp"]),
    (
        "google/protobuf/type.proto",
        &[
            "google.protobuf.Type",
            "google.protobuf.Field",
            "google.protobuf.Enum",
            "google.protobuf.EnumValue",
            "google.protobuf.Option",
            "*google.protobuf.Syntax",
        ],
    ),
    (
        "google/protobuf/wrappers.proto",
        &[
            "google.protobuf.DoubleValue",
            "google.protobuf.FloatValue",
            "google.protobuf.Int64Value",
            "google.protobuf.UInt64Value",
            "google.protobuf.Int32Value",
            "google.protobuf.UInt32Value",
            "google.protobuf.BoolValue",
            "google.protobuf.StringValue",
            "google.protobuf.BytesValue",
        ],
    ),
    ("google/protobuf/cpp_features.proto", &["pb.CppFeatures"]),
    ("google/protobuf/java_features.proto", &["pb.JavaFeatures"]),
    ("google/type/calendar_period.proto", &["*google.type.CalendarPeriod"]),
    ("google/type/color.proto", &["google.type.Color"]),
    ("google/type/date.proto", &["google.type.Date"]),
    ("google/type/datetime.proto", &["google.type.DateTime", "google.type.TimeZone"]),
    ("google/type/dayofweek.proto", &["*google.type.DayOfWeek"]),
    ("google/type/latlng.proto", &["google.type.LatLng"]),
    ("google/type/money.proto", &["google.type.Money"]),
    ("google/type/month.proto", &["*google.type.Month"]),
    ("google/type/timeofday.proto", &["google.type.TimeOfDay"]),
    ("confluent/meta.proto", &["confluent.Meta"]),
    ("confluent/type/decimal.proto", &["confluent.type.Decimal"]),
];

/// The types of a known file, each with whether it is an enum.
pub fn types_of(file: &str) -> Option<impl Iterator<Item = (&'static str, bool)>> {
    let (_, types) = KNOWN.iter().find(|(known, _)| *known == file)?;
    Some(types.iter().map(|name| name.strip_prefix('*').map_or((*name, false), |name| (name, true))))
}
