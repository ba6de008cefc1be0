// Encodes chunks for the independent decoder to read:
//
//   chunk_exporter DIRECTORY
//       made-up chunks of every format, strategy and mode, and plain blobs
//   chunk_exporter DIRECTORY FORMAT COLUMNS FILE
//       the weights in FILE, rows of COLUMNS, as many as make one chunk;
//       FORMAT: 1 FP32, 2 FP16, 3 BF16
//
// Files named *.chunk: u32 float format, strategy, rows, columns, group size;
// *.plain: nothing. Then entries: u8 kind | u32 length | bytes. Kinds: a
// residual subgroup's number, 252 scales, 253 codes, 254 original bytes, 255
// INT8 or plain blob.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"
#include "tests/codec/pairs/given_pairs.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(EXIT_FAILURE);
}

// One file of entries.
class EntryFile {
 public:
  void AppendNumber(uint32_t number) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(number));
    StoreLittleEndian(number, &bytes_[at]);
  }
  void AppendEntry(uint8_t kind, ByteView entry) {
    bytes_.push_back(kind);
    AppendNumber(static_cast<uint32_t>(entry.size()));
    bytes_.insert(bytes_.end(), entry.begin(), entry.end());
  }
  void Write(const std::filesystem::path& path) const {
    absl::StatusOr<File> file = File::Create(path);
    Require(file.status());
    Require(file->WriteAt(0, bytes_));
    Require(file->Close());
  }

 private:
  ByteVector bytes_;
};

// Normal weights with, here and there, any bits at all: NaN, infinities, both
// zeros, subnormals.
ByteVector MakeWeights(const ChunkShape& shape, uint32_t odd_one_in,
                       uint32_t clear_bits, std::mt19937* generator) {
  ByteVector weights(shape.weight_bytes());
  std::normal_distribution<float> normal(0, 0.04F);
  for (size_t i = 0; i < shape.weight_count(); ++i) {
    uint32_t bits = BitsOf(shape.format, normal(*generator));
    if (odd_one_in != 0 && (*generator)() % odd_one_in == 0) {
      bits = static_cast<uint32_t>((*generator)());
    }
    SetWeight(shape.format, bits >> clear_bits << clear_bits, i, &weights);
  }
  return weights;
}

class Exporter {
 public:
  explicit Exporter(std::filesystem::path directory)
      : directory_(std::move(directory)) {}

  void Chunk(const std::string& name, const ChunkShape& shape,
             const ByteVector& weights) {
    EncodedChunk chunk;
    Require(encoder_.Encode(shape, weights, &chunk));
    Write(name, shape, weights, chunk);
  }

  void SlicedChunk(const std::string& name, const ChunkShape& shape,
                   const ByteVector& weights) {
    EncodedChunk chunk;
    Require(sliced_encoder_.Encode(shape, weights, &chunk));
    Write(name, shape, weights, chunk);
  }

  void Pair(const std::string& name, const ChunkShape& shape,
            const ByteVector& weights, const std::vector<int8_t>& codes,
            const std::vector<float>& scales) {
    EncodedChunk chunk;
    Require(encoder_.EncodePair(shape, weights, codes, scales, &chunk));
    Write(name, shape, weights, chunk);
  }

  void Plain(const std::string& name, PlainLayout layout,
             const ByteVector& raw) {
    ByteVector blob;
    Require(plain_codec_.Encode(layout, raw, &blob));
    EntryFile file;
    file.AppendEntry(254, raw);
    file.AppendEntry(255, blob);
    file.Write(directory_ / (name + ".plain"));
  }

 private:
  void Write(const std::string& name, const ChunkShape& shape,
             const ByteVector& weights, const EncodedChunk& chunk) {
    std::vector<int8_t> codes(shape.weight_count());
    std::vector<float> scales(shape.scale_count());
    Require(decoder_.DecodeInt8(shape, chunk.int8_blob, codes, scales));
    EntryFile file;
    file.AppendNumber(static_cast<uint32_t>(shape.format));
    file.AppendNumber(static_cast<uint32_t>(shape.strategy));
    file.AppendNumber(shape.rows);
    file.AppendNumber(shape.columns);
    file.AppendNumber(shape.group_size);
    file.AppendEntry(252, {reinterpret_cast<const uint8_t*>(scales.data()),
                           scales.size() * sizeof(float)});
    file.AppendEntry(
        253, {reinterpret_cast<const uint8_t*>(codes.data()), codes.size()});
    file.AppendEntry(254, weights);
    file.AppendEntry(255, chunk.int8_blob);
    for (const EncodedBlob& blob : chunk.residual) {
      file.AppendEntry(blob.subgroup, blob.bytes);
    }
    file.Write(directory_ / (name + ".chunk"));
  }

  const std::filesystem::path directory_;
  ChunkEncoder encoder_{EncodeOptions()};
  ChunkEncoder sliced_encoder_{{.coder = Int8Coder::kSliced}};
  ChunkDecoder decoder_;
  PlainCodec plain_codec_;
};

// Codes and scales as some other tool might bring them: `shift_one_in` codes
// are one off; `odd_scales`: four of the six scales are of no use.
void ExportPair(const std::string& name, FloatFormat format,
                uint32_t shift_one_in, bool odd_scales, std::mt19937* generator,
                Exporter* exporter) {
  const ChunkShape shape = {.format = format, .rows = 6, .columns = 500};
  const ByteVector weights = MakeWeights(shape, 0, 0, generator);
  constexpr float kScale = 0.001F;
  std::vector<float> scales(shape.scale_count(), kScale);
  if (odd_scales) {
    scales[1] = 0;
    scales[2] = std::numeric_limits<float>::quiet_NaN();
    scales[3] = -kScale;
    scales[4] = std::numeric_limits<float>::denorm_min();
  }
  std::vector<int8_t> codes(shape.weight_count());
  for (size_t i = 0; i < codes.size(); ++i) {
    float code = std::rint(WeightValue(format, weights, i) / kScale);
    if ((*generator)() % shift_one_in == 0) code += 1;
    codes[i] = static_cast<int8_t>(std::fmin(std::fmax(code, -128), 127));
  }
  exporter->Pair(name, shape, weights, codes, scales);
}

// Weights whose rows, and columns, differ in deviation by about 2^spread: of
// the larger spreads the sliced coder makes classes.
void ExportSliced(const std::string& name, const ChunkShape& shape,
                  float row_spread, float column_spread,
                  std::mt19937* generator, Exporter* exporter) {
  std::normal_distribution<float> normal;
  std::vector<float> by_column(shape.columns);
  for (float& factor : by_column) {
    factor = std::exp2(column_spread * normal(*generator));
  }
  ByteVector weights(shape.weight_bytes());
  for (size_t row = 0; row < shape.rows; ++row) {
    const float narrow = std::exp2(row_spread * normal(*generator));
    // The scale follows the one outlier, so that rows differ in their codes.
    const float outlier = 5 * std::exp2(3 * column_spread);
    for (size_t column = 0; column < shape.columns; ++column) {
      const float value = column == row % shape.columns
                              ? outlier
                              : narrow * by_column[column] * normal(*generator);
      SetWeight(shape.format, BitsOf(shape.format, 0.01F * value),
                row * shape.columns + column, &weights);
    }
  }
  exporter->SlicedChunk(name, shape, weights);
}

// What every kind of tool makes of the weights.
void ExportGiven(const std::string& name, const ChunkShape& shape,
                 const ByteVector& weights, Exporter* exporter) {
  for (const GivenKind kind : kAllGivenKinds) {
    const GivenPair pair = MakeGivenPair(kind, shape, weights, 1);
    exporter->Pair(name + "_" + std::to_string(static_cast<int>(kind)), shape,
                   pair.weights, pair.codes, pair.scales);
  }
}

void ExportSlicedCases(Exporter* exporter) {
  std::mt19937 generator(20250505);
  const ChunkShape large = {
      .format = FloatFormat::kBF16, .rows = 160, .columns = 203};
  ExportSliced("sliced", large, 0, 0, &generator, exporter);
  ExportSliced("sliced_rows", large, 0.6F, 0, &generator, exporter);
  ExportSliced("sliced_columns", large, 0, 0.6F, &generator, exporter);
  ExportSliced("sliced_both", large, 0.4F, 0.4F, &generator, exporter);
  const ChunkShape narrow = {
      .format = FloatFormat::kF16, .rows = 700, .columns = 3};
  ExportSliced("sliced_narrow", narrow, 0, 0, &generator, exporter);
  const ChunkShape grouped = {.format = FloatFormat::kF32,
                              .rows = 33,
                              .columns = 250,
                              .strategy = ScaleStrategy::kGroup,
                              .group_size = 64};
  ExportSliced("sliced_groups", grouped, 0, 0, &generator, exporter);
}

void ExportMadeUp(Exporter* exporter) {
  std::mt19937 generator(20250504);
  const struct {
    const char* name;
    FloatFormat format;
    PlainLayout layout;
    uint32_t grid_bits;
  } formats[] = {{"f32", FloatFormat::kF32, PlainLayout::kFloat32, 16},
                 {"f16", FloatFormat::kF16, PlainLayout::kFloat16, 3},
                 {"bf16", FloatFormat::kBF16, PlainLayout::kBFloat16, 2}};
  for (const auto& f : formats) {
    const std::string name = f.name;
    const ChunkShape channel = {.format = f.format, .rows = 37, .columns = 211};
    const ChunkShape group = {.format = f.format,
                              .rows = 19,
                              .columns = 100,
                              .strategy = ScaleStrategy::kGroup,
                              .group_size = 32};
    const ChunkShape one = {.format = f.format, .rows = 1, .columns = 1};
    const ChunkShape tall = {.format = f.format,
                             .rows = 307,
                             .columns = 21,
                             .strategy = ScaleStrategy::kGroup,
                             .group_size = 8};
    const auto weights = [&](const ChunkShape& shape, uint32_t odd_one_in,
                             uint32_t clear_bits) {
      return MakeWeights(shape, odd_one_in, clear_bits, &generator);
    };
    exporter->Chunk(name + "_channel", channel, weights(channel, 0, 0));
    exporter->Chunk(name + "_odd_values", channel, weights(channel, 50, 0));
    exporter->Chunk(name + "_any_bits", channel, weights(channel, 1, 0));
    exporter->Chunk(name + "_group", group, weights(group, 100, 0));
    exporter->Chunk(name + "_grid", channel, weights(channel, 0, f.grid_bits));
    exporter->Chunk(name + "_one", one, weights(one, 0, 0));
    exporter->Chunk(name + "_zeros", group, ByteVector(group.weight_bytes()));
    ExportPair(name + "_pair_rare", f.format, 500, false, &generator, exporter);
    ExportPair(name + "_pair_often", f.format, 4, false, &generator, exporter);
    ExportPair(name + "_pair_odd", f.format, 500, true, &generator, exporter);
    ExportGiven(name + "_given", channel, weights(channel, 50, 0), exporter);
    ExportGiven(name + "_given_group", tall, weights(tall, 0, 0), exporter);
    exporter->Plain(name, f.layout, weights(channel, 0, 0));
  }
  ExportSlicedCases(exporter);
  // Between the widths of FP16 and those of FP32.
  const ChunkShape wide = {
      .format = FloatFormat::kF32, .rows = 37, .columns = 211};
  exporter->Chunk("f32_grid_7", wide, MakeWeights(wide, 0, 7, &generator));
  exporter->Plain("f32_from_bf16", PlainLayout::kFloat32,
                  MakeWeights(wide, 0, 16, &generator));
  for (const PlainLayout layout :
       {PlainLayout::kBytes, PlainLayout::kPlanes2, PlainLayout::kPlanes4,
        PlainLayout::kPlanes8}) {
    ByteVector raw(8000);
    for (size_t i = 0; i < raw.size(); ++i) {
      raw[i] = static_cast<uint8_t>(i % 8 == 0 ? generator() : i / 1000);
    }
    const std::string number = std::to_string(static_cast<int>(layout));
    exporter->Plain("layout_" + number, layout, raw);
    exporter->Plain("empty_" + number, layout, {});
  }
}

void ExportFile(FloatFormat format, uint32_t columns, const char* path,
                Exporter* exporter) {
  const absl::StatusOr<File> file = File::OpenForRead(path);
  Require(file.status());
  const absl::StatusOr<uint64_t> size_bytes = file->SizeBytes();
  Require(size_bytes.status());
  ChunkShape shape = {.format = format, .columns = columns};
  const uint64_t rows = *size_bytes / FloatBytes(format) / columns;
  shape.rows =
      static_cast<uint32_t>(std::min<uint64_t>(rows, RowsPerChunk(columns)));
  ByteVector weights(shape.weight_bytes());
  Require(file->ReadAt(0, weights));
  exporter->Chunk(std::filesystem::path(path).stem(), shape, weights);
}

int Main(int argument_count, char** arguments) {
  if (argument_count != 2 && argument_count != 5) {
    std::fprintf(stderr, "usage: %s DIRECTORY [FORMAT COLUMNS FILE]\n",
                 arguments[0]);
    return EXIT_FAILURE;
  }
  Exporter exporter(arguments[1]);
  if (argument_count == 2) {
    ExportMadeUp(&exporter);
  } else {
    ExportFile(static_cast<FloatFormat>(std::atoi(arguments[2])),
               static_cast<uint32_t>(std::atoi(arguments[3])), arguments[4],
               &exporter);
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace qstore::codec

int main(int argument_count, char** arguments) {
  return qstore::codec::Main(argument_count, arguments);
}
