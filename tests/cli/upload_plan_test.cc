#include "client/upload/upload_plan.h"

#include <string>

#include "base/bytes.h"
#include "cli/reports/upload_plan_report.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class UploadPlanTest : public ::testing::Test {
 protected:
  UploadPlanTest() { options_.source = directory_.path(); }

  // Nine tensors: an embedding, eight linear layers.
  void WriteWeights(const std::string& path) {
    std::string header = R"({"embed.weight":{"dtype":"F16","shape":[2,2],)"
                         R"("data_offsets":[0,8]})";
    std::string bytes(8, '\0');
    for (int i = 0; i < 8; ++i) {
      header += ",\"layers." + std::to_string(i) +
                ".up.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],"
                "\"data_offsets\":[" +
                std::to_string(8 + 8 * i) + "," + std::to_string(16 + 8 * i) +
                "]}";
      bytes += std::string(8, '\1');
    }
    header += "}";
    std::string length(8, '\0');
    StoreLittleEndian<uint64_t>(header.size(), length.data());
    directory_.Write(path, length + header + bytes);
  }

  client::TemporaryDirectory directory_;
  client::UploadOptions options_;
};

TEST_F(UploadPlanTest, SelectsByBits) {
  WriteWeights("model.safetensors");
  directory_.Write("config.json", R"({"model_type": "llama"})");
  options_.exclude = {"layers.0.*", "*.bin"};
  const auto plan = client::PlanUpload(options_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->quantization.quantized_count, 7u);
  const auto selections = client::SelectionsOf(plan->quantization);
  EXPECT_EQ(selections.at("model.safetensors").bits(), "\xfc\x01");
  EXPECT_THAT(NotesOf(*plan), ElementsAre(HasSubstr("*.bin")));
}

TEST_F(UploadPlanTest, TellsWhatAndWhy) {
  WriteWeights("model.safetensors");
  directory_.Write("config.json", R"({"model_type": "llama"})");
  const auto plan = client::PlanUpload(options_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const std::string text = DescribePlan(*plan);
  EXPECT_THAT(text, HasSubstr("looked up, not multiplied"));
  EXPECT_THAT(text,
              HasSubstr("8 tensors would be quantized; nothing was sent"));
  const auto document = ToJson(*plan);
  EXPECT_EQ(document["quantized_tensors"], 8);
  EXPECT_EQ(document["tensors"][0]["rule"], "embedding");
  EXPECT_EQ(document["tensors"][1]["quantized"], true);
}

TEST_F(UploadPlanTest, ALoneFileOnlyWhenAsked) {
  WriteWeights("weights.safetensors");
  options_.source = directory_.path() / "weights.safetensors";
  auto plan = client::PlanUpload(options_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->quantization.quantized_count, 0u);
  EXPECT_THAT(NotesOf(*plan), ElementsAre(HasSubstr("no config.json")));
  options_.quantize = true;
  plan = client::PlanUpload(options_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->quantization.quantized_count, 8u);
  EXPECT_THAT(NotesOf(*plan), IsEmpty());
}

TEST_F(UploadPlanTest, NoQuantizerPlansNothing) {
  WriteWeights("model.safetensors");
  options_.quantizer = "none";
  const auto plan = client::PlanUpload(options_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->quantization.files, IsEmpty());
  EXPECT_EQ(plan->files.size(), 1u);
}

}  // namespace
}  // namespace qstore::cli
