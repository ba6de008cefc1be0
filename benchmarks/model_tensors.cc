#include "benchmarks/model_tensors.h"

#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "benchmarks/tensor_file.h"
#include "codec/float_bits.h"

namespace qstore::codec {
namespace {

constexpr WeightCast kCasts[] = {
    {"bf16", FloatFormat::kBF16, false},
    {"f16", FloatFormat::kF16, false},
    {"f32", FloatFormat::kF32, false},
    {"f16-from-bf16", FloatFormat::kF16, true},
    {"f32-from-bf16", FloatFormat::kF32, true},
};

template <FloatFormat kTo>
uint32_t NearestBits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return NearestOrdinal<kTo>(std::bit_cast<float>(bits & 0x7FFFFFFF)) |
         (bits >> 31 != 0 ? SignMask(kTo) : 0);
}

ByteVector CastWeights(const WeightCast& cast,
                       const std::vector<float>& values) {
  ByteVector weights(values.size() * FloatBytes(cast.to));
  VisitFormat(cast.to, [&](auto tag) {
    constexpr FloatFormat kTo = decltype(tag)::value;
    for (size_t i = 0; i < values.size(); ++i) {
      const float value = cast.through_bf16
                              ? ToFloat<FloatFormat::kBF16>(
                                    NearestBits<FloatFormat::kBF16>(values[i]))
                              : values[i];
      StoreWeight<kTo>(NearestBits<kTo>(value), weights.data(), i);
    }
  });
  return weights;
}

std::vector<float> ToFloats(FloatFormat format, ByteView weights) {
  std::vector<float> values(weights.size() / FloatBytes(format));
  VisitFormat(format, [&](auto tag) {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = ToFloat<kFormat>(LoadWeight<kFormat>(weights.data(), i));
    }
  });
  return values;
}

std::optional<FloatFormat> FormatOf(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return FloatFormat::kF32;
    case Dtype::kF16:
      return FloatFormat::kF16;
    case Dtype::kBF16:
      return FloatFormat::kBF16;
    default:
      return std::nullopt;
  }
}

bool IsQuantized(const TensorEntry& tensor) {
  return FormatOf(tensor.dtype) && tensor.shape.size() == 2 &&
         tensor.size_bytes() != 0 && tensor.shape[1] <= kMaxColumns &&
         tensor.name.find("embed") == std::string::npos &&
         tensor.name.find("lm_head") == std::string::npos;
}

// The scales beside the INT8 tensor `name`.
absl::StatusOr<std::vector<float>> ScalesOf(const TensorFile& file,
                                            const std::string& name) {
  constexpr std::string_view kSuffix = "weight";
  const TensorEntry* scale = file.Find(name + "_scale");
  float divisor = 1;
  if (scale == nullptr && name.ends_with(kSuffix)) {
    // The largest magnitude of the row, which has code 127.
    scale = file.Find(name.substr(0, name.size() - kSuffix.size()) + "SCB");
    divisor = 127;
  }
  if (scale == nullptr || !FormatOf(scale->dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " is INT8, but has no scales"));
  }
  std::vector<float> scales =
      ToFloats(*FormatOf(scale->dtype), file.Content(*scale));
  for (float& value : scales) {
    value /= divisor;
  }
  return scales;
}

absl::Status TakeCodes(const TensorFile& file, const TensorEntry& int8,
                       ModelTensor* tensor) {
  QSTORE_ASSIGN_OR_RETURN(tensor->scales, ScalesOf(file, int8.name));
  tensor->strategy = tensor->scales.size() == 1 && tensor->rows != 1
                         ? ScaleStrategy::kTensor
                         : ScaleStrategy::kChannel;
  const ByteView codes = file.Content(int8);
  tensor->codes.assign(codes.begin(), codes.end());
  if (codes.size() != tensor->rows * tensor->columns ||
      (tensor->strategy == ScaleStrategy::kChannel &&
       tensor->scales.size() != tensor->rows)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", int8.name, " has ", codes.size(), " codes and ",
                     tensor->scales.size(), " scales for ", tensor->rows,
                     " rows of ", tensor->columns));
  }
  return absl::OkStatus();
}

}  // namespace

const WeightCast* FindCast(std::string_view name) {
  for (const WeightCast& cast : kCasts) {
    if (cast.name == name) {
      return &cast;
    }
  }
  return nullptr;
}

std::string CastNames() {
  std::string names;
  for (const WeightCast& cast : kCasts) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", AbslView(cast.name));
  }
  return names;
}

absl::StatusOr<std::vector<ModelTensor>> ReadModelTensors(
    const std::string& path, const WeightCast* cast) {
  QSTORE_ASSIGN_OR_RETURN(const TensorFile file, TensorFile::Read(path));
  std::vector<ModelTensor> tensors;
  for (const TensorEntry& entry : file.tensors()) {
    if (!IsQuantized(entry)) {
      continue;
    }
    ModelTensor& tensor = tensors.emplace_back();
    tensor.name = entry.name;
    tensor.rows = entry.shape[0];
    tensor.columns = entry.shape[1];
    tensor.format = *FormatOf(entry.dtype);
    const ByteView content = file.Content(entry);
    if (cast == nullptr) {
      tensor.weights.assign(content.begin(), content.end());
    } else {
      tensor.weights = CastWeights(*cast, ToFloats(tensor.format, content));
      tensor.format = cast->to;
    }
  }
  return tensors;
}

std::vector<ModelTensor> MadeUpTensors(uint64_t rows, uint64_t columns,
                                       const WeightCast& cast) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(rows * columns);
  for (float& value : values) {
    value = normal(random);
  }
  std::vector<ModelTensor> tensors(1);
  tensors[0].name = "made-up";
  tensors[0].format = cast.to;
  tensors[0].rows = rows;
  tensors[0].columns = columns;
  tensors[0].weights = CastWeights(cast, values);
  return tensors;
}

absl::Status TakeGivenCodes(const std::string& path,
                            std::vector<ModelTensor>* tensors) {
  QSTORE_ASSIGN_OR_RETURN(const TensorFile file, TensorFile::Read(path));
  std::vector<ModelTensor> taken;
  for (ModelTensor& tensor : *tensors) {
    const TensorEntry* int8 = file.Find(tensor.name);
    if (int8 == nullptr || int8->dtype != Dtype::kI8) {
      continue;
    }
    QSTORE_RETURN_IF_ERROR(TakeCodes(file, *int8, &tensor));
    taken.push_back(std::move(tensor));
  }
  *tensors = std::move(taken);
  return absl::OkStatus();
}

}  // namespace qstore::codec
