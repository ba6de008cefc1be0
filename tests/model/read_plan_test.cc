#include "model/read_plan.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/sample_manifest.h"

namespace qstore::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Representation kOriginal = {};
constexpr Representation kInt8 = {.layer = 1};

class ReadPlanTest : public ::testing::Test {
 protected:
  ReadPlan Plan(const Selection& selection, Representation representation = {},
                const HeldChunks& held = {}) {
    absl::StatusOr<ReadPlan> plan =
        PlanRead(manifest_, selection, representation, held);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *plan : ReadPlan();
  }
  std::string Refusal(const Selection& selection) {
    const absl::StatusOr<ReadPlan> plan =
        PlanRead(manifest_, selection, kOriginal);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(plan.status().message());
  }
  // Object and chunk.
  static std::vector<std::pair<int, int>> Chunks(const ReadPlan& plan) {
    std::vector<std::pair<int, int>> chunks;
    for (const PlannedChunk& chunk : plan.chunks) {
      chunks.emplace_back(chunk.object_index, chunk.chunk_index);
    }
    return chunks;
  }

  Manifest manifest_ = SampleManifest();
};

TEST_F(ReadPlanTest, EverythingInTheOrderOfTheManifest) {
  ASSERT_TRUE(ValidateManifest(manifest_).ok()) << ValidateManifest(manifest_);
  const ReadPlan plan = Plan({});
  EXPECT_THAT(Chunks(plan),
              ElementsAre(std::pair(0, 0), std::pair(1, 0), std::pair(1, 1),
                          std::pair(1, 2), std::pair(2, 0), std::pair(3, 0),
                          std::pair(4, 0), std::pair(5, 0)));
  ASSERT_EQ(plan.files.size(), 3u);
  EXPECT_TRUE(plan.files[0].whole);
  EXPECT_EQ(plan.files[0].segments.size(), 4u);
  EXPECT_EQ(plan.to_read.of(1), 10'000u * 1024);
  EXPECT_EQ(plan.to_read.of(2), 3 * 20 + 10'000u * 512);
  EXPECT_EQ(plan.to_read.of(3), 100u + 160u);
  EXPECT_EQ(plan.to_read.other(), 150u + 50u + 25u);
}

TEST_F(ReadPlanTest, ALowerPrecisionTakesNoLayerAboveIt) {
  const ReadPlan plan = Plan({}, kInt8);
  EXPECT_EQ(plan.to_read.of(1), 10'000u * 1024);
  EXPECT_EQ(plan.to_read.of(2), 0u);
  // What has no INT8 comes as it is.
  EXPECT_EQ(plan.to_read.of(3), 260u);
  for (const PlannedChunk& chunk : plan.chunks) {
    EXPECT_EQ(chunk.layer_count, 1u);
  }
}

TEST_F(ReadPlanTest, IsGivenUpBetweenNames) {
  Selection selection;
  selection.tensors.resize(1);
  selection.tensors[0].pattern = "*";
  int asked = 0;
  const auto plan = PlanRead(manifest_, selection, kOriginal, {},
                             [&] { return ++asked == 2; });
  EXPECT_TRUE(absl::IsCancelled(plan.status()));
  EXPECT_EQ(asked, 2);
}

TEST_F(ReadPlanTest, OneFile) {
  const ReadPlan plan = Plan({.files = {"*.json"}, .tensors = {}});
  EXPECT_THAT(Chunks(plan), ElementsAre(std::pair(5, 0)));
  ASSERT_EQ(plan.files.size(), 1u);
  EXPECT_EQ(plan.files[0].file_index, 2u);
}

TEST_F(ReadPlanTest, TensorsByPatternWithoutTheirHeader) {
  const ReadPlan plan = Plan({.files = {}, .tensors = {{"*.weight", {}}}});
  // The vector that both files name is read once.
  EXPECT_THAT(Chunks(plan), ElementsAre(std::pair(1, 0), std::pair(1, 1),
                                        std::pair(1, 2), std::pair(2, 0)));
  ASSERT_EQ(plan.files.size(), 2u);
  EXPECT_FALSE(plan.files[0].whole);
  EXPECT_THAT(plan.files[0].segments,
              ElementsAre(PlannedSegment{1, {}}, PlannedSegment{2, {}}));
  EXPECT_THAT(plan.files[1].segments, ElementsAre(PlannedSegment{1, {}}));
}

TEST_F(ReadPlanTest, FilesAndTensorsAddUp) {
  const ReadPlan plan =
      Plan({.files = {"config.json", "b*"}, .tensors = {{"ids", {}}}});
  EXPECT_THAT(Chunks(plan), ElementsAre(std::pair(2, 0), std::pair(3, 0),
                                        std::pair(4, 0), std::pair(5, 0)));
  ASSERT_EQ(plan.files.size(), 3u);
  EXPECT_FALSE(plan.files[0].whole);
  EXPECT_TRUE(plan.files[1].whole);
}

TEST_F(ReadPlanTest, RowsTakeTheChunksThatHaveThem) {
  const auto rows = [&](uint64_t first, uint64_t end) {
    return Chunks(
        Plan({.files = {}, .tensors = {{"layers.*", RowRange{first, end}}}}));
  };
  EXPECT_THAT(rows(0, 1), ElementsAre(std::pair(1, 0)));
  EXPECT_THAT(rows(4095, 4096), ElementsAre(std::pair(1, 0)));
  EXPECT_THAT(rows(4096, 4097), ElementsAre(std::pair(1, 1)));
  EXPECT_THAT(rows(4095, 4097), ElementsAre(std::pair(1, 0), std::pair(1, 1)));
  EXPECT_THAT(rows(9'999, 10'000), ElementsAre(std::pair(1, 2)));
  const ReadPlan plan =
      Plan({.files = {}, .tensors = {{"layers.*", RowRange{5, 6}}, {"*", {}}}});
  EXPECT_THAT(plan.files[0].segments,
              ElementsAre(PlannedSegment{1, RowRange{5, 6}},
                          PlannedSegment{2, {}}, PlannedSegment{3, {}}));
}

TEST_F(ReadPlanTest, AllRowsAreNoRange) {
  const ReadPlan plan = Plan(
      {.files = {}, .tensors = {{"layers.*", RowRange{0, 10'000}}, {"*", {}}}});
  EXPECT_THAT(plan.files[0].segments,
              ElementsAre(PlannedSegment{1, {}}, PlannedSegment{2, {}},
                          PlannedSegment{3, {}}));
  EXPECT_THAT(
      Refusal({.files = {}, .tensors = {{"layers.*", RowRange{0, 10'001}}}}),
      HasSubstr("rows 0 to 10001"));
}

TEST_F(ReadPlanTest, WhatIsHeldIsNotReadAgain) {
  HeldChunks held;
  held.AddObjects(2, 5);
  held.AddChunk(1, 1);
  const ReadPlan plan = Plan({}, kOriginal, held);
  EXPECT_THAT(Chunks(plan), ElementsAre(std::pair(0, 0), std::pair(1, 0),
                                        std::pair(1, 2), std::pair(5, 0)));
  EXPECT_EQ(plan.held.of(1), 4096u * 1024);
  EXPECT_EQ(plan.held.of(3), 260u);
  EXPECT_EQ(plan.held.other(), 50u);
}

TEST_F(ReadPlanTest, RefusesWhatMatchesNothing) {
  EXPECT_THAT(Refusal({.files = {"*.bin"}, .tensors = {}}),
              HasSubstr("no file of org/sample"));
  EXPECT_THAT(Refusal({.files = {"*"}, .tensors = {{"lm_head*", {}}}}),
              HasSubstr("lm_head*"));
  // The empty name of a header is not one.
  EXPECT_THAT(Refusal({.files = {}, .tensors = {{"?", {}}}}), HasSubstr("?"));
}

TEST_F(ReadPlanTest, RefusesRowsThatAreNotThere) {
  EXPECT_THAT(Refusal({.files = {}, .tensors = {{"ids", RowRange{8, 11}}}}),
              HasSubstr("rows 8 to 11"));
  EXPECT_THAT(Refusal({.files = {}, .tensors = {{"ids", RowRange{3, 3}}}}),
              HasSubstr("none"));
  manifest_.objects[3].shape = {};
  EXPECT_THAT(Refusal({.files = {}, .tensors = {{"ids", RowRange{0, 1}}}}),
              HasSubstr("no rows"));
  manifest_.objects[3].shape = {0};
  EXPECT_THAT(Refusal({.files = {}, .tensors = {{"ids", RowRange{0, 1}}}}),
              HasSubstr("it has 0"));
}

TEST_F(ReadPlanTest, RefusesTooManyPatterns) {
  Selection selection;
  selection.files.assign(kMaxPatterns + 1, "*");
  EXPECT_THAT(Refusal(selection), HasSubstr("at most"));
  EXPECT_THAT(Refusal({.files = {std::string(kMaxPatternBytes + 1, 'a')},
                       .tensors = {}}),
              HasSubstr("1025 bytes"));
  EXPECT_THAT(Refusal({.files = {""}, .tensors = {}}), HasSubstr("0 bytes"));
}

TEST_F(ReadPlanTest, ValuesFollowFromTheManifest) {
  Chunk chunk;
  chunk.layers = {{.layer = 1,
                   .blobs = {SampleBlob(0, kMaxValueBytes + 1)},
                   .decoded_xxh3 = {}},
                  {.layer = 2,
                   .blobs = {SampleBlob(3, 5), SampleBlob(9, kMaxValueBytes)},
                   .decoded_xxh3 = {}}};
  EXPECT_THAT(ValuesOf(chunk, 0), IsEmpty());
  EXPECT_THAT(ValuesOf(chunk, 1),
              ElementsAre(ValueAddress{1, 0, 0, kMaxValueBytes, 7},
                          ValueAddress{1, 0, 1, 1, 7}));
  EXPECT_THAT(
      ValuesOf(chunk, 2),
      ElementsAre(ValueAddress{1, 0, 0, kMaxValueBytes, 7},
                  ValueAddress{1, 0, 1, 1, 7}, ValueAddress{2, 3, 0, 5, 7},
                  ValueAddress{2, 9, 0, kMaxValueBytes, 7}));
  EXPECT_EQ(StoredBytesOf(chunk, 1), kMaxValueBytes + 1);
}

}  // namespace
}  // namespace qstore::model
