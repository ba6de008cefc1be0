// Size and speed of the chunk codec on one core.
//
//   codec_benchmark [MODEL.safetensors] [--cast=FORMAT] [--benchmark_...]
//
// Takes the two-dimensional floating-point weights of the file except those
// whose name contains "embed" or "lm_head", or Gaussian weights when no file is
// named. --cast: bf16, f16, f16-from-bf16, f32-from-bf16; without it the file's
// own format (one format a file), or bf16.
//
// Speeds are in bytes of original weights. bits_* are stored bits a weight;
// pair_percent is INT8 and residual blobs with their keys in percent of what
// INT8 and original take side by side.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/safetensors.h"
#include "codec/chunk_codec.h"
#include "codec/float_bits.h"
#include "codec/kernels.h"

namespace qstore::codec {
namespace {

constexpr uint64_t kKeyBytes = 13;

struct Chunk {
  ChunkShape shape;
  ByteVector weights;
  EncodedChunk encoded;
};

struct Workload {
  std::vector<Chunk> chunks;
  uint64_t weight_count = 0;
  uint64_t weight_bytes = 0;
};

template <FloatFormat kTo>
void AppendNearest(float value, ByteVector* out) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t ordinal =
      NearestOrdinal<kTo>(std::bit_cast<float>(bits & 0x7FFFFFFF));
  const size_t at = out->size();
  out->resize(at + FloatBytes(kTo));
  StoreWeight<kTo>(ordinal | (bits >> 31 != 0 ? SignMask(kTo) : 0),
                   out->data() + at, 0);
}

float ToBFloat16AndBack(float value) {
  ByteVector bits;
  AppendNearest<FloatFormat::kBF16>(value, &bits);
  return ToFloat<FloatFormat::kBF16>(
      LoadWeight<FloatFormat::kBF16>(bits.data(), 0));
}

struct Cast {
  std::string_view name;
  FloatFormat to;
  bool through_bf16;
};
constexpr Cast kCasts[] = {
    {"bf16", FloatFormat::kBF16, false},
    {"f16", FloatFormat::kF16, false},
    {"f32", FloatFormat::kF32, false},
    {"f16-from-bf16", FloatFormat::kF16, true},
    {"f32-from-bf16", FloatFormat::kF32, true},
};

ByteVector CastWeights(const Cast& cast, const std::vector<float>& values) {
  ByteVector out;
  out.reserve(values.size() * FloatBytes(cast.to));
  VisitFormat(cast.to, [&](auto tag) {
    for (const float value : values) {
      AppendNearest<decltype(tag)::value>(
          cast.through_bf16 ? ToBFloat16AndBack(value) : value, &out);
    }
  });
  return out;
}

void AddTensor(FloatFormat format, uint64_t rows, uint64_t columns,
               ByteView weights, Workload* workload) {
  const uint64_t row_bytes = columns * FloatBytes(format);
  const uint64_t step = RowsPerChunk(columns);
  for (uint64_t row = 0; row < rows; row += step) {
    Chunk& chunk = workload->chunks.emplace_back();
    chunk.shape.format = format;
    chunk.shape.rows = static_cast<uint32_t>(std::min(step, rows - row));
    chunk.shape.columns = static_cast<uint32_t>(columns);
    const ByteView part =
        weights.subspan(row * row_bytes, chunk.shape.weight_bytes());
    chunk.weights.assign(part.begin(), part.end());
    workload->weight_count += chunk.shape.weight_count();
    workload->weight_bytes += chunk.shape.weight_bytes();
  }
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

bool LoadModel(const std::string& path, const Cast* cast, Workload* workload) {
  std::ifstream in(path, std::ios::binary);
  const std::string file((std::istreambuf_iterator<char>(in)),
                         std::istreambuf_iterator<char>());
  const auto length = ParseSafetensorsLength(AsBytes(file), file.size());
  if (!length.ok()) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(),
                 length.status().ToString().c_str());
    return false;
  }
  const ByteView content =
      AsBytes(file).subspan(kSafetensorsLengthBytes + *length);
  const auto header = ParseSafetensorsHeader(
      AsBytes(file).subspan(kSafetensorsLengthBytes, *length), content.size());
  if (!header.ok()) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(),
                 header.status().ToString().c_str());
    return false;
  }
  for (const TensorEntry& tensor : header->tensors) {
    const auto format = FormatOf(tensor.dtype);
    if (!format || tensor.shape.size() != 2 || tensor.size_bytes() == 0 ||
        tensor.name.find("embed") != std::string::npos ||
        tensor.name.find("lm_head") != std::string::npos) {
      continue;
    }
    const ByteView weights =
        content.subspan(tensor.begin_bytes, tensor.size_bytes());
    if (cast == nullptr) {
      AddTensor(*format, tensor.shape[0], tensor.shape[1], weights, workload);
    } else {
      AddTensor(cast->to, tensor.shape[0], tensor.shape[1],
                CastWeights(*cast, ToFloats(*format, weights)), workload);
    }
  }
  return true;
}

void Generate(const Cast& cast, Workload* workload) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  constexpr uint64_t kRows = 4096;
  constexpr uint64_t kColumns = 4096;
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) {
    value = normal(random);
  }
  AddTensor(cast.to, kRows, kColumns, CastWeights(cast, values), workload);
}

void ReportSizes(const Workload& workload, benchmark::State* state) {
  uint64_t int8_bytes = 0;
  uint64_t residual_bytes = 0;
  uint64_t keys = 0;
  for (const Chunk& chunk : workload.chunks) {
    int8_bytes += chunk.encoded.int8_blob.size();
    for (const ResidualBlob& blob : chunk.encoded.residual) {
      residual_bytes += blob.bytes.size();
    }
    keys += 1 + chunk.encoded.residual.size();
  }
  const auto weights = static_cast<double>(workload.weight_count);
  const uint64_t pair_bytes = int8_bytes + residual_bytes + keys * kKeyBytes;
  state->counters["bits_int8"] = static_cast<double>(int8_bytes) * 8 / weights;
  state->counters["bits_residual"] =
      static_cast<double>(residual_bytes) * 8 / weights;
  state->counters["pair_percent"] =
      static_cast<double>(pair_bytes) * 100 /
      static_cast<double>(workload.weight_bytes + workload.weight_count);
}

void SetSpeed(const Workload& workload, benchmark::State* state) {
  state->SetBytesProcessed(static_cast<int64_t>(workload.weight_bytes) *
                           state->iterations());
  state->counters["ns_per_weight"] =
      benchmark::Counter(static_cast<double>(workload.weight_count) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate |
                             benchmark::Counter::kInvert);
}

void BenchmarkEncode(benchmark::State& state, Workload* workload) {
  ChunkEncoder encoder{EncodeOptions()};
  for (auto iteration : state) {
    for (Chunk& chunk : workload->chunks) {
      const absl::Status status =
          encoder.Encode(chunk.shape, chunk.weights, &chunk.encoded);
      if (!status.ok()) {
        state.SkipWithError(status.ToString().c_str());
        return;
      }
    }
  }
  SetSpeed(*workload, &state);
  ReportSizes(*workload, &state);
}

void BenchmarkDecodeInt8(benchmark::State& state, Workload* workload) {
  ChunkDecoder decoder;
  std::vector<int8_t> codes(kChunkWeights);
  std::vector<float> scales(kChunkWeights);
  for (auto iteration : state) {
    for (const Chunk& chunk : workload->chunks) {
      const std::span out = std::span(codes).first(chunk.shape.weight_count());
      const absl::Status status = decoder.DecodeInt8(
          chunk.shape, chunk.encoded.int8_blob, out,
          std::span(scales).first(chunk.shape.scale_count()));
      if (!status.ok() || Xxh3({reinterpret_cast<const uint8_t*>(out.data()),
                                out.size()}) != chunk.encoded.codes_xxh3) {
        state.SkipWithError("wrong codes");
        return;
      }
    }
  }
  SetSpeed(*workload, &state);
}

void BenchmarkDecodeWeights(benchmark::State& state, Workload* workload) {
  ChunkDecoder decoder;
  ByteVector weights(kChunkWeights * sizeof(float));
  std::vector<ResidualBlobView> views;
  for (auto iteration : state) {
    for (const Chunk& chunk : workload->chunks) {
      views.clear();
      for (const ResidualBlob& blob : chunk.encoded.residual) {
        views.push_back({blob.subgroup, blob.bytes});
      }
      const MutableByteView out =
          MutableByteView(weights).first(chunk.shape.weight_bytes());
      const absl::Status status = decoder.DecodeWeights(
          chunk.shape, chunk.encoded.int8_blob, views, out);
      if (!status.ok() || Xxh3(out) != chunk.encoded.weights_xxh3) {
        state.SkipWithError("wrong weights");
        return;
      }
    }
  }
  SetSpeed(*workload, &state);
}

void Register(std::string_view kernels, bool scalar, Workload* workload) {
  const auto add = [&](const char* what,
                       void (*function)(benchmark::State&, Workload*)) {
    benchmark::RegisterBenchmark(
        (std::string(what) + "/" + std::string(kernels)).c_str(),
        [function, scalar, workload](benchmark::State& state) {
          ForceScalarKernels(scalar);
          function(state, workload);
          ForceScalarKernels(false);
        })
        ->Unit(benchmark::kMillisecond);
  };
  add("Encode", BenchmarkEncode);
  add("DecodeInt8", BenchmarkDecodeInt8);
  add("DecodeOriginal", BenchmarkDecodeWeights);
}

int Run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const Cast* cast = nullptr;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.substr(0, 7) != "--cast=") {
      path = argument;
      continue;
    }
    for (const Cast& known : kCasts) {
      cast = known.name == argument.substr(7) ? &known : cast;
    }
    if (cast == nullptr) {
      std::fprintf(stderr, "unknown cast: %s\n", argv[i]);
      return 1;
    }
  }
  Workload workload;
  if (path.empty()) {
    Generate(cast == nullptr ? kCasts[0] : *cast, &workload);
  } else if (!LoadModel(path, cast, &workload)) {
    return 1;
  }
  if (workload.chunks.empty()) {
    std::fprintf(stderr, "%s has no weights to quantize\n", path.c_str());
    return 1;
  }
  ForceScalarKernels(false);
  Register(BestKernels().name, false, &workload);
  Register(ScalarKernels().name, true, &workload);
  // Decoding needs chunks that are encoded, also when a filter leaves out the
  // encoder.
  ChunkEncoder encoder{EncodeOptions()};
  for (Chunk& chunk : workload.chunks) {
    const absl::Status status =
        encoder.Encode(chunk.shape, chunk.weights, &chunk.encoded);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace qstore::codec

int main(int argc, char** argv) { return qstore::codec::Run(argc, argv); }
