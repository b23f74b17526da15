//! Files that every Protobuf compiler brings along, and those that Confluent's registry adds: which types they declare. A schema may import
//! them without a reference.

/// Messages of one value each.
pub const WRAPPERS: [&str; 9] = [
    "google.protobuf.DoubleValue",
    "google.protobuf.FloatValue",
    "google.protobuf.Int64Value",
    "google.protobuf.UInt64Value",
    "google.protobuf.Int32Value",
    "google.protobuf.UInt32Value",
    "google.protobuf.BoolValue",
    "google.protobuf.StringValue",
    "google.protobuf.BytesValue",
];

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
    ("google/protobuf/wrappers.proto", &WRAPPERS),
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

/// What the files declare of which values may be decoded here: field numbers as they are published with Protobuf, with googleapis' common types and with
/// Confluent's serializers. Files of which nobody has values on a topic (descriptors of descriptors) are known by their names alone.
const DECLARED: [(&str, &str); 17] = [
    (
        "google/protobuf/any.proto",
        "syntax='proto3'; package google.protobuf; message Any { string type_url = 1; bytes value = 2; }",
    ),
    (
        "google/protobuf/duration.proto",
        "syntax='proto3'; package google.protobuf; message Duration { int64 seconds = 1; int32 nanos = 2; }",
    ),
    ("google/protobuf/empty.proto", "syntax='proto3'; package google.protobuf; message Empty {}"),
    (
        "google/protobuf/field_mask.proto",
        "syntax='proto3'; package google.protobuf; message FieldMask { repeated string paths = 1; }",
    ),
    (
        "google/protobuf/source_context.proto",
        "syntax='proto3'; package google.protobuf; message SourceContext { string file_name = 1; }",
    ),
    (
        "google/protobuf/struct.proto",
        "syntax='proto3'; package google.protobuf; message Struct { map<string, Value> fields = 1; } \
         message Value { oneof kind { NullValue null_value = 1; double number_value = 2; string string_value = 3; bool bool_value = 4; \
         Struct struct_value = 5; ListValue list_value = 6; } } enum NullValue { NULL_VALUE = 0; } \
         message ListValue { repeated Value values = 1; }",
    ),
    (
        "google/protobuf/timestamp.proto",
        "syntax='proto3'; package google.protobuf; message Timestamp { int64 seconds = 1; int32 nanos = 2; }",
    ),
    (
        "google/protobuf/wrappers.proto",
        "syntax='proto3'; package google.protobuf; message DoubleValue { double value = 1; } message FloatValue { float value = 1; } \
         message Int64Value { int64 value = 1; } message UInt64Value { uint64 value = 1; } message Int32Value { int32 value = 1; } \
         message UInt32Value { uint32 value = 1; } message BoolValue { bool value = 1; } message StringValue { string value = 1; } \
         message BytesValue { bytes value = 1; }",
    ),
    (
        "google/type/color.proto",
        "syntax='proto3'; package google.type; import 'google/protobuf/wrappers.proto'; \
         message Color { float red = 1; float green = 2; float blue = 3; google.protobuf.FloatValue alpha = 4; }",
    ),
    (
        "google/type/date.proto",
        "syntax='proto3'; package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }",
    ),
    (
        "google/type/datetime.proto",
        "syntax='proto3'; package google.type; import 'google/protobuf/duration.proto'; message DateTime { int32 year = 1; int32 month = 2; \
         int32 day = 3; int32 hours = 4; int32 minutes = 5; int32 seconds = 6; int32 nanos = 7; oneof time_offset { \
         google.protobuf.Duration utc_offset = 8; TimeZone time_zone = 9; } } message TimeZone { string id = 1; string version = 2; }",
    ),
    (
        "google/type/dayofweek.proto",
        "syntax='proto3'; package google.type; enum DayOfWeek { DAY_OF_WEEK_UNSPECIFIED = 0; MONDAY = 1; TUESDAY = 2; WEDNESDAY = 3; \
         THURSDAY = 4; FRIDAY = 5; SATURDAY = 6; SUNDAY = 7; }",
    ),
    (
        "google/type/latlng.proto",
        "syntax='proto3'; package google.type; message LatLng { double latitude = 1; double longitude = 2; }",
    ),
    (
        "google/type/money.proto",
        "syntax='proto3'; package google.type; message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }",
    ),
    (
        "google/type/timeofday.proto",
        "syntax='proto3'; package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }",
    ),
    (
        "confluent/meta.proto",
        "syntax='proto3'; package confluent; message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }",
    ),
    (
        "confluent/type/decimal.proto",
        "syntax='proto3'; package confluent.type; message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
    ),
];

/// A known file, as far as its fields matter.
pub fn text_of(file: &str) -> Option<&'static str> {
    DECLARED.iter().find(|(known, _)| *known == file).map(|(_, text)| *text)
}
