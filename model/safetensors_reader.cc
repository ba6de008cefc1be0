// Reads the JSON of a safetensors header by events, so that no tree of values
// is built whose size the sender would choose.
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/safetensors.h"
#include "model/safetensors_layout.h"

namespace qstore {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
// Of arrays and objects in a field that is passed over; the library's bound.
constexpr size_t kMaxSkippedDepth = 125;

class HeaderHandler final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderHandler(uint64_t data_bytes) : data_bytes_(data_bytes) {}

  // What the events amounted to; call once, after the parser has returned.
  absl::StatusOr<SafetensorsHeader> TakeHeader() && {
    if (!status_.ok()) return status_;
    QSTORE_RETURN_IF_ERROR(SortAndCheckCoverage(data_bytes_, &header_.tensors));
    return std::move(header_);
  }

  // Events. Each returns false to stop the parser, after it has set status_.
  bool null() override {
    if (SkipsScalar()) return true;
    if (place_ != Place::kMetadataEntry) return RefuseValue("null");
    place_ = Place::kTop;
    return true;
  }
  bool boolean(bool /*value*/) override {
    return SkipsScalar() || RefuseValue("a boolean");
  }
  bool number_integer(int64_t /*value*/) override {
    return SkipsScalar() || RefuseValue("a negative number");
  }
  bool number_float(double /*value*/, const std::string& text) override {
    return SkipsScalar() ||
           RefuseValue(absl::StrCat("the number ", Quoted(text),
                                    ", which is no integer below 2^64"));
  }
  bool binary(Json::binary_t& /*value*/) override {
    return RefuseValue("binary data");
  }
  bool number_unsigned(uint64_t value) override {
    if (SkipsScalar()) return true;
    switch (place_) {
      case Place::kShape:
        if (tensor_.shape.size() == kMaxTensorRank) {
          return Refuse(absl::StrCat("its shape has more than ", kMaxTensorRank,
                                     " dimensions"));
        }
        if (++dimension_count_ > kMaxDimensionsPerFile) {
          return Refuse(absl::StrCat("the shapes of the file have more than ",
                                     kMaxDimensionsPerFile, " dimensions"));
        }
        tensor_.shape.push_back(value);
        return true;
      case Place::kOffsets:
        if (offset_count_ == 2) {
          return Refuse("its data_offsets are more than two");
        }
        (offset_count_ == 0 ? tensor_.begin_bytes : tensor_.end_bytes) = value;
        ++offset_count_;
        return true;
      default:
        return RefuseValue("a number");
    }
  }
  bool string(std::string& value) override {
    if (SkipsScalar()) return true;
    if (place_ == Place::kMetadata) {
      // The last one counts, as in the library.
      header_.metadata.insert_or_assign(std::move(key_), std::move(value));
      return true;
    }
    if (place_ != Place::kDtypeField) return RefuseValue("a string");
    const absl::StatusOr<Dtype> dtype = ParseDtype(value);
    if (!dtype.ok()) return Refuse(std::string(dtype.status().message()));
    tensor_.dtype = *dtype;
    place_ = Place::kTensor;
    return true;
  }
  bool start_object(size_t /*size*/) override {
    if (place_ == Place::kUnknownField) return BeginSkipped();
    switch (place_) {
      case Place::kOutside:
        place_ = Place::kTop;
        return true;
      case Place::kMetadataEntry:
        place_ = Place::kMetadata;
        return true;
      case Place::kTensorEntry:
        place_ = Place::kTensor;
        return true;
      default:
        return RefuseValue("an object");
    }
  }
  bool key(std::string& key) override {
    switch (place_) {
      case Place::kUnknownField:
        return true;
      case Place::kTop:
        return BeginEntry(&key);
      case Place::kMetadata:
        if (header_.metadata.size() == kMaxMetadataEntries) {
          return Refuse(absl::StrCat("it has more than ", kMaxMetadataEntries,
                                     " entries"));
        }
        key_ = std::move(key);
        return true;
      default:
        return BeginField(key);
    }
  }
  bool end_object() override {
    if (place_ == Place::kUnknownField) return EndSkipped();
    if (place_ == Place::kTensor) return EndTensor();
    place_ = place_ == Place::kMetadata ? Place::kTop : Place::kOutside;
    return true;
  }
  bool start_array(size_t /*size*/) override {
    if (place_ == Place::kUnknownField) return BeginSkipped();
    switch (place_) {
      case Place::kShapeField:
        place_ = Place::kShape;
        return true;
      case Place::kOffsetsField:
        place_ = Place::kOffsets;
        return true;
      default:
        return RefuseValue("an array");
    }
  }
  bool end_array() override {
    if (place_ == Place::kUnknownField) return EndSkipped();
    if (place_ == Place::kOffsets && offset_count_ != 2) {
      return Refuse("its data_offsets are fewer than two");
    }
    place_ = Place::kTensor;
    return true;
  }
  bool parse_error(size_t position, const std::string& /*last_token*/,
                   const Json::exception& /*error*/) override {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("the header is not valid JSON at its byte ", position));
    return false;
  }

 private:
  // Where in the header the next event belongs.
  enum class Place {
    kOutside,        // before and after everything
    kTop,            // among the entries
    kMetadataEntry,  // after "__metadata__":
    kMetadata,       // among its keys and values
    kTensorEntry,    // after a tensor's name
    kTensor,         // among its fields
    kDtypeField,     // after "dtype":
    kShapeField,     // after "shape":
    kShape,          // in its array
    kOffsetsField,   // after "data_offsets":
    kOffsets,        // in its array
    kUnknownField,   // after another field's name, in all of its value
  };

  // Whether the event is a value that nobody asks for.
  bool SkipsScalar() {
    if (place_ != Place::kUnknownField) return false;
    if (skipped_depth_ == 0) place_ = Place::kTensor;
    return true;
  }
  bool BeginSkipped() {
    if (++skipped_depth_ <= kMaxSkippedDepth) return true;
    return Refuse(absl::StrCat("a field is nested more than ", kMaxSkippedDepth,
                               " levels deep"));
  }
  bool EndSkipped() {
    if (--skipped_depth_ == 0) place_ = Place::kTensor;
    return true;
  }

  bool BeginEntry(std::string* key) {
    if (*key == kMetadataKey) {
      in_metadata_ = true;
      place_ = Place::kMetadataEntry;
      if (std::exchange(has_metadata_, true)) return Refuse("is given twice");
      return true;
    }
    in_metadata_ = false;
    tensor_ = {};
    tensor_.name = std::move(*key);
    offset_count_ = 0;
    has_dtype_ = has_shape_ = has_offsets_ = false;
    place_ = Place::kTensorEntry;
    if (tensor_.name.empty()) return Refuse("a tensor needs a name");
    if (tensor_.name.size() > kMaxTensorNameBytes) {
      return Refuse(absl::StrCat("its name has ", tensor_.name.size(),
                                 " bytes; at most ", kMaxTensorNameBytes,
                                 " are allowed"));
    }
    if (header_.tensors.size() == kMaxTensorsPerFile) {
      return Refuse(absl::StrCat("the file has more than ", kMaxTensorsPerFile,
                                 " tensors"));
    }
    return true;
  }

  bool BeginField(const std::string& field) {
    bool* seen = nullptr;
    if (field == "dtype") {
      seen = &has_dtype_;
      place_ = Place::kDtypeField;
    } else if (field == "shape") {
      seen = &has_shape_;
      place_ = Place::kShapeField;
    } else if (field == "data_offsets") {
      seen = &has_offsets_;
      place_ = Place::kOffsetsField;
    } else {
      place_ = Place::kUnknownField;
      return true;
    }
    if (std::exchange(*seen, true)) {
      return Refuse(absl::StrCat("its ", field, " is given twice"));
    }
    return true;
  }

  bool EndTensor() {
    if (!has_dtype_) return Refuse("it has no dtype");
    if (!has_shape_) return Refuse("it has no shape");
    if (!has_offsets_) return Refuse("it has no data_offsets");
    if (const absl::Status span = CheckTensorSpan(tensor_, data_bytes_);
        !span.ok()) {
      return Refuse(std::string(span.message()));
    }
    tensor_.shape.shrink_to_fit();
    header_.tensors.push_back(std::move(tensor_));
    place_ = Place::kTop;
    return true;
  }

  std::string EntryText() const {
    return in_metadata_ ? std::string(kMetadataKey)
                        : absl::StrCat("tensor ", Quoted(tensor_.name));
  }

  bool Refuse(const std::string& reason) {
    status_ =
        absl::InvalidArgumentError(absl::StrCat(EntryText(), ": ", reason));
    return false;
  }

  bool RefuseValue(const std::string& found) {
    const char* expected = nullptr;
    switch (place_) {
      case Place::kMetadataEntry:
        expected = "an object of strings";
        break;
      case Place::kMetadata:
        return Refuse(absl::StrCat("the value of ", Quoted(key_), " is ", found,
                                   ", not a string"));
      case Place::kTensorEntry:
        expected = "an object with dtype, shape and data_offsets";
        break;
      case Place::kDtypeField:
        expected = "a string as dtype";
        break;
      case Place::kShapeField:
        expected = "an array as shape";
        break;
      case Place::kShape:
        expected = "a count as dimension";
        break;
      case Place::kOffsetsField:
        expected = "an array of two as data_offsets";
        break;
      case Place::kOffsets:
        expected = "a byte offset in data_offsets";
        break;
      case Place::kOutside:
      case Place::kTop:
      case Place::kTensor:
      case Place::kUnknownField:
        status_ = absl::InvalidArgumentError(
            absl::StrCat("the header is ", found, ", not an object"));
        return false;
    }
    return Refuse(absl::StrCat("expected ", expected, ", found ", found));
  }

  const uint64_t data_bytes_;
  SafetensorsHeader header_;
  absl::Status status_;

  Place place_ = Place::kOutside;
  bool in_metadata_ = false;
  bool has_metadata_ = false;
  std::string key_;  // under kMetadata

  // The tensor being read, and which of its fields have been.
  TensorEntry tensor_ = {};
  int offset_count_ = 0;
  size_t skipped_depth_ = 0;    // under kUnknownField
  size_t dimension_count_ = 0;  // of all tensors up to here
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
};

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(ByteView json,
                                                         uint64_t data_bytes) {
  if (json.empty() || json.front() != '{') {
    return absl::InvalidArgumentError("the header does not begin with '{'");
  }
  const std::string_view text = AsStringView(json);
  // The JSON library takes a zero byte for the end and would not look further.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header has a zero byte at its byte ", zero));
  }
  HeaderHandler handler(data_bytes);
  Json::sax_parse(text.begin(), text.end(), &handler);
  return std::move(handler).TakeHeader();
}

}  // namespace qstore
