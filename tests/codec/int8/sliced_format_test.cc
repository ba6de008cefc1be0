// The sliced coder's bytes: tables and classes that no encoder of ours would
// choose, hostile headers, and damage.
#include "codec/int8/sliced_format.h"

#include "codec/int8/sliced_classes.h"
#include "codec/int8/sliced_reader.h"
#include "codec/int8/sliced_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/codec/int8/sample_codes.h"
#include "tests/codec/kernels/each_kernels.h"

namespace qstore::codec {
namespace {

// A code in which all 128 magnitudes have leaves, at random.
void FillTable(uint32_t table, std::mt19937_64* random, SlicedTables* tables) {
  uint32_t nodes = 1u << tables->shortest_bits;
  uint32_t bound = 0;
  for (uint32_t level = 0; level < tables->level_count; ++level) {
    // 2 * nodes - bound must reach 128 at the last level and not exceed it.
    const uint32_t left = tables->level_count - level;
    uint32_t most = nodes;
    uint32_t least = std::max(bound, 2 * nodes > 128 ? 2 * nodes - 128 : 0);
    // Even if no later level has a leaf, nodes above the bound only double.
    while (most > least && most + ((nodes - most) << left) < 128) {
      --most;
    }
    bound =
        left == 1
            ? 2 * nodes - 128
            : least + static_cast<uint32_t>((*random)() % (most - least + 1));
    tables->bounds[level][table] = static_cast<uint8_t>(bound);
    nodes = 2 * nodes - bound;
  }
  ASSERT_EQ(nodes, 128u);
}

SlicedClasses RandomClasses(const ChunkShape& shape, bool rows, bool columns,
                            std::mt19937_64* random) {
  SlicedClasses classes;
  for (uint32_t i = 0; rows && i < shape.rows; ++i) {
    classes.rows.push_back((*random)() % 16);
  }
  for (uint32_t i = 0; columns && i < shape.columns; ++i) {
    classes.columns.push_back((*random)() % 16);
  }
  return classes;
}

// All kernels write the same bytes and read them.
ByteVector CheckRoundTrip(const ChunkShape& shape,
                          const std::vector<int8_t>& codes,
                          const SlicedTables& tables,
                          const SlicedClasses& classes) {
  static SlicedWriter writer;
  static SlicedReader reader;
  ByteVector expected;
  ForEachKernels([&] {
    ByteVector stored;
    writer.Append(shape, codes, tables, classes, &stored);
    if (expected.empty()) {
      expected = stored;
    }
    ASSERT_TRUE(AsStringView(stored) == AsStringView(expected));
    std::vector<int8_t> decoded(codes.size(), 0x5A);
    const absl::Status status = reader.Decode(shape, stored, decoded);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_TRUE(decoded == codes);
  });
  return expected;
}

TEST(SlicedFormatTest, AnyTablesAndClassesRoundTrip) {
  std::mt19937_64 random(1);
  for (uint32_t shortest = 0; shortest <= kMaxShortestBits; ++shortest) {
    for (uint32_t levels = 7 - shortest; levels <= kMaxSlicedLevels; ++levels) {
      for (uint32_t busy = 0; busy <= levels; busy += 3) {
        SCOPED_TRACE(testing::Message() << shortest << " bits, " << levels
                                        << " levels, " << busy << " busy");
        SlicedTables tables;
        tables.shortest_bits = shortest;
        tables.level_count = levels;
        tables.busy_levels = busy;
        for (uint32_t table = 0; table < kSlicedTables; ++table) {
          ASSERT_NO_FATAL_FAILURE(FillTable(table, &random, &tables));
        }
        const ChunkShape shape =
            CodesShape(1 + static_cast<uint32_t>(random() % 50),
                       1 + static_cast<uint32_t>(random() % 150));
        const std::vector<int8_t> codes =
            busy == 3 ? GaussianCodes(shape, 20, 0.5, random())
                      : RandomCodes(shape.weight_count(), random());
        const SlicedClasses classes =
            RandomClasses(shape, random() % 2 == 0, random() % 2 == 0, &random);
        ASSERT_NO_FATAL_FAILURE(CheckRoundTrip(shape, codes, tables, classes));
      }
    }
  }
}

TEST(SlicedClassesTest, AddUpInWeightOrder) {
  const ChunkShape shape = CodesShape(5, 7);
  SlicedClasses classes;
  classes.rows = {0, 3, 15, 1, 2};
  classes.columns = {0, 1, 2, 15, 4, 5, 6};
  const auto check = [&](auto&& expected) {
    for (uint64_t first = 0; first < 35; ++first) {
      for (uint64_t count = 0; first + count <= 35; ++count) {
        std::vector<uint8_t> tables(count + 1, 0xEE);
        classes.FillTables(shape, first, count, tables.data());
        for (uint64_t i = 0; i < count; ++i) {
          ASSERT_EQ(tables[i], expected((first + i) / 7, (first + i) % 7));
        }
        ASSERT_EQ(tables[count], 0xEE);
      }
    }
  };
  check([&](uint64_t row, uint64_t column) {
    return classes.rows[row] + classes.columns[column];
  });
  const std::vector<uint8_t> rows = std::move(classes.rows);
  classes.rows.clear();
  check([&](uint64_t, uint64_t column) { return classes.columns[column]; });
  classes.columns.clear();
  check([](uint64_t, uint64_t) { return 0; });
  classes.rows = rows;
  check([&](uint64_t row, uint64_t) { return classes.rows[row]; });

  ByteVector stored;
  classes.AppendTo(&stored);
  EXPECT_EQ(stored, (ByteVector{0x30, 0x1F, 0x02}));
  ByteView in = stored;
  SlicedClasses taken;
  ASSERT_TRUE(taken.TakeFrom(shape, true, false, &in).ok());
  EXPECT_EQ(taken.rows, classes.rows);
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(taken.TakeFrom(shape, true, false, &in).code(),
            absl::StatusCode::kDataLoss);
}

std::string HeaderError(ByteVector bytes) {
  ByteView in = bytes;
  SlicedTables tables;
  bool rows = false;
  bool columns = false;
  const absl::Status status = TakeSlicedHeader(&in, &tables, &rows, &columns);
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  }
  return std::string(status.message());
}

TEST(SlicedFormatTest, RefusesHeadersThatBreakARule) {
  using testing::HasSubstr;
  EXPECT_EQ(HeaderError({0, 0, 0}), "");
  EXPECT_EQ(HeaderError({6, 1, 0, 0}), "");
  EXPECT_EQ(HeaderError({5, 2, 0, 0, 0}), "");
  EXPECT_THAT(HeaderError({}), HasSubstr("no whole header"));
  EXPECT_THAT(HeaderError({0, 0}), HasSubstr("no whole header"));
  EXPECT_THAT(HeaderError({7, 0, 0}), HasSubstr("7 shortest bits"));
  EXPECT_THAT(HeaderError({0, 9, 0}), HasSubstr("9 levels"));
  EXPECT_THAT(HeaderError({0, 0, 4}), HasSubstr("flags 4"));
  EXPECT_THAT(HeaderError({2, 2, 0, 1}), HasSubstr("inside its tables"));
  EXPECT_THAT(HeaderError({2, 1, 1, 1}), HasSubstr("inside its tables"));
  EXPECT_THAT(HeaderError({2, 2, 0, 2, 1}), HasSubstr("bound 1 at level 1"));
  EXPECT_THAT(HeaderError({2, 1, 0, 5}), HasSubstr("bound 5 at level 0"));
  EXPECT_THAT(HeaderError({2, 2, 0, 0, 9}), HasSubstr("bound 9 at level 1"));
  EXPECT_THAT(HeaderError({6, 2, 0, 0, 0}), HasSubstr("256 nodes"));
  EXPECT_THAT(HeaderError({6, 2, 0, 0, 128}), "");
  EXPECT_THAT(HeaderError({6, 2, 0, 0, 127}), HasSubstr("129 nodes"));
}

class SlicedDamageTest : public testing::Test {
 protected:
  SlicedDamageTest() {
    std::mt19937_64 random(3);
    SlicedTables tables;
    tables.shortest_bits = 4;
    tables.level_count = 6;
    tables.busy_levels = 2;
    for (uint32_t table = 0; table < kSlicedTables; ++table) {
      FillTable(table, &random, &tables);
    }
    SlicedWriter().Append(shape_, codes_, tables,
                          RandomClasses(shape_, true, true, &random), &stored_);
  }

  // With every kernel; all must agree.
  std::string Decode(const ByteVector& stored) {
    std::vector<int8_t> expected;
    std::string message;
    ForEachKernels([&] {
      // Of the exact size, so that the sanitizers see a byte too much.
      const std::unique_ptr<uint8_t[]> copy(new uint8_t[stored.size()]);
      std::copy(stored.begin(), stored.end(), copy.get());
      std::vector<int8_t> decoded(codes_.size());
      const absl::Status status =
          reader_.Decode(shape_, {copy.get(), stored.size()}, decoded);
      if (status.ok()) {
        EXPECT_TRUE(expected.empty() || decoded == expected);
        expected = decoded;
      } else {
        EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
        EXPECT_TRUE(message.empty() || status.message() == message);
        message = std::string(status.message());
      }
    });
    EXPECT_NE(message.empty(), expected.empty());
    return message;
  }

  // Header, tables, classes.
  static constexpr size_t kSizesAt = 3 + 16 * 6 + 20 + 50;

  const ChunkShape shape_ = CodesShape(40, 99);
  const std::vector<int8_t> codes_ = GaussianCodes(shape_, 30, 0.3, 4);
  ByteVector stored_;
  SlicedReader reader_;
};

TEST_F(SlicedDamageTest, LevelsHaveExactlyTheirBytes) {
  ASSERT_EQ(Decode(stored_), "");
  for (size_t level = 0; level < 6; ++level) {
    SCOPED_TRACE(level);
    uint8_t* size = &stored_[kSizesAt + 4 * level];
    const auto bytes = LoadLittleEndian<uint32_t>(size);
    ASSERT_GT(bytes, 0u);
    for (const uint32_t other :
         {0u, bytes - 1, bytes + 1, 1u << 20, 0xFFFFFFFFu}) {
      StoreLittleEndian(other, size);
      EXPECT_NE(Decode(stored_), "") << other;
    }
    StoreLittleEndian(bytes, size);
  }
  // One level ends earlier, the next is longer.
  for (size_t level = 0; level + 1 < 6; ++level) {
    ByteVector damaged = stored_;
    uint8_t* size = &damaged[kSizesAt + 4 * level];
    StoreLittleEndian(LoadLittleEndian<uint32_t>(size) - 1, size);
    StoreLittleEndian(LoadLittleEndian<uint32_t>(size + 4) + 1, size + 4);
    EXPECT_THAT(Decode(damaged), testing::HasSubstr("ends before"));
  }
}

TEST_F(SlicedDamageTest, AnyDamageIsAnErrorOrOtherCodes) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 2000; ++round) {
    ByteVector damaged = stored_;
    const uint64_t changes = 1 + random() % 4;
    for (uint64_t i = 0; i < changes; ++i) {
      const size_t reach = random() % 2 == 0 ? kSizesAt + 24 : damaged.size();
      damaged[random() % reach] = static_cast<uint8_t>(random());
    }
    Decode(damaged);
  }
}

// All codes go on at all levels, for as long as the streams last.
TEST_F(SlicedDamageTest, StreamsThatEndEarly) {
  ByteVector stored;
  SlicedTables tables;
  tables.shortest_bits = 0;
  tables.level_count = 7;
  for (auto& bounds : tables.bounds) {
    std::fill(std::begin(bounds), std::end(bounds), 0);
  }
  AppendSlicedHeader(tables, false, false, &stored);
  const size_t sizes_at = stored.size();
  const size_t blocks = codes_.size() / kSlicedBlock;
  stored.resize(sizes_at + 7 * 4 + blocks * 8);
  for (size_t bytes = 0; bytes <= blocks * 8; bytes += 31) {
    for (size_t level = 0; level < 7; ++level) {
      ByteVector cut = stored;
      size_t total = 0;
      for (size_t i = 0; i < 7; ++i) {
        const size_t size = i == level ? bytes : blocks * 8;
        StoreLittleEndian(static_cast<uint32_t>(size), &cut[sizes_at + 4 * i]);
        total += size;
      }
      cut.resize(cut.size() + total + codes_.size() % kSlicedBlock);
      EXPECT_EQ(Decode(cut).empty(), bytes == blocks * 8);
    }
  }
}

}  // namespace
}  // namespace qstore::codec
