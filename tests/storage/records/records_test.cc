#include "storage/records/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "model/dtype.h"
#include "storage/object_summary.h"
#include "storage/records/keys.h"
#include "storage/records/validate_records.h"
#include "storage/rocksdb/histogram_text.h"

namespace qstore::storage {
namespace {

using ::testing::HasSubstr;

v1::Revision SampleRevision() {
  v1::Revision revision;
  revision.set_model("org/m");
  revision.set_quantizer("absmax");
  const auto add_segment = [](v1::File* file, const std::string& name,
                              uint64_t raw_bytes, char hash) {
    v1::Segment* segment = file->add_segments();
    segment->set_object_id(static_cast<uint64_t>(hash));
    segment->set_tensor_name(name);
    segment->set_raw_bytes(raw_bytes);
    segment->set_content_hash(std::string(32, hash));
  };
  v1::File* weights = revision.add_files();
  weights->set_path("model.safetensors");
  weights->set_size_bytes(30);
  weights->set_safetensors(true);
  add_segment(weights, "", 10, '\1');
  add_segment(weights, "w", 20, '\3');
  v1::File* config = revision.add_files();
  config->set_path("config.json");
  config->set_size_bytes(2);
  add_segment(config, "", 2, '\2');
  return revision;
}

v1::Object SampleObject() {
  v1::Object object;
  object.set_object_id(9);
  object.set_kind(v1::OBJECT_KIND_QUANTIZED);
  object.set_content_hash(std::string(32, 'h'));
  object.set_dtype(static_cast<uint32_t>(Dtype::kF16));
  object.add_shape(3);
  object.add_shape(10);
  object.set_raw_bytes(60);
  object.mutable_quantization()->set_quantizer("absmax");
  object.mutable_quantization()->set_strategy(2);
  object.mutable_quantization()->set_coder(1);
  for (const uint32_t rows : {2u, 1u}) {
    v1::Chunk* chunk = object.add_chunks();
    chunk->set_rows(rows);
    chunk->set_raw_bytes(20 * rows);
    chunk->mutable_int8()->set_size_bytes(40);
    for (const uint32_t subgroup : {0u, 4u}) {
      v1::Blob* blob = chunk->add_residual();
      blob->set_subgroup(subgroup);
      blob->set_size_bytes(5);
    }
  }
  return object;
}

// Computed by an independent program from docs/format.md; must never change.
TEST(RecordsTest, RevisionIdIsAsDocumented) {
  EXPECT_EQ(RevisionId(SampleRevision()),
            "58e768127acd631fa68fe8e38a94ad70e11623bff88d8ba84e5955ea105a10da");
}

TEST(RecordsTest, RevisionIdFollowsFromTheContentAlone) {
  const std::string id = RevisionId(SampleRevision());
  v1::Revision other = SampleRevision();
  other.set_model("org/other");
  other.set_created_unix_seconds(5);
  other.mutable_files()->SwapElements(0, 1);
  other.mutable_files(0)->mutable_segments(0)->set_object_id(77);
  EXPECT_EQ(RevisionId(other), id);
  const std::vector<std::function<void(v1::Revision*)>> changes = {
      [](auto* r) { r->set_quantizer("none"); },
      [](auto* r) { r->mutable_files(1)->set_path("config.jsom"); },
      [](auto* r) { r->mutable_files(1)->set_size_bytes(3); },
      [](auto* r) { r->mutable_files(1)->set_safetensors(true); },
      [](auto* r) {
        r->mutable_files(0)->mutable_segments(1)->set_tensor_name("v");
      },
      [](auto* r) {
        r->mutable_files(0)->mutable_segments(1)->set_raw_bytes(21);
      },
      [](auto* r) {
        r->mutable_files(0)->mutable_segments(1)->mutable_content_hash()->at(
            31) = 'x';
      },
      [](auto* r) {
        r->mutable_files(0)->mutable_segments()->SwapElements(0, 1);
      },
      [](auto* r) { r->mutable_files()->RemoveLast(); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    v1::Revision changed = SampleRevision();
    changes[i](&changed);
    EXPECT_NE(RevisionId(changed), id) << i;
  }
}

TEST(RecordsTest, SealIsOverKeyAndPayload) {
  const std::string sealed = SealRecord("key", "payload");
  EXPECT_EQ(sealed.size(), 7u + 8u);
  EXPECT_EQ(*UnsealRecord("key", AsBytes(sealed)), "payload");
  EXPECT_FALSE(UnsealRecord("kez", AsBytes(sealed)).ok());
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string damaged = sealed;
    damaged[i] ^= 4;
    const auto status = UnsealRecord("key", AsBytes(damaged)).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << i;
    EXPECT_THAT(std::string(status.message()), HasSubstr("\"key\""));
    EXPECT_FALSE(UnsealRecord("key", AsBytes(sealed).first(i)).ok());
  }
  EXPECT_EQ(*UnsealNumber("k", AsBytes(SealNumber("k", 1ull << 40))),
            1ull << 40);
  EXPECT_FALSE(UnsealNumber("k", AsBytes(SealRecord("k", "1234567"))).ok());
}

TEST(RecordsTest, RecordsComeBack) {
  const v1::Object object = SampleObject();
  const std::string sealed =
      SealRecord(ObjectKey(9), object.SerializeAsString());
  const auto parsed = ParseObjectRecord(9, AsBytes(sealed));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->SerializeAsString(), object.SerializeAsString());
  v1::Revision revision = SampleRevision();
  revision.set_revision(RevisionId(revision));
  const std::string& id = revision.revision();
  const auto read =
      ParseRevisionRecord("org/m", id,
                          AsBytes(SealRecord(RevisionKey("org/m", id),
                                             revision.SerializeAsString())));
  ASSERT_TRUE(read.ok()) << read.status();
  // Content that is not what the id says.
  revision.set_quantizer("none");
  EXPECT_TRUE(absl::IsDataLoss(
      ParseRevisionRecord("org/m", id,
                          AsBytes(SealRecord(RevisionKey("org/m", id),
                                             revision.SerializeAsString())))
          .status()));
}

TEST(RecordsTest, RefusesObjectsThatContradictThemselves) {
  ASSERT_TRUE(ValidateObject(SampleObject()).ok());
  struct Case {
    const char* name;
    std::function<void(v1::Object*)> spoil;
  };
  const std::vector<Case> cases = {
      {"id", [](auto* o) { o->set_object_id(0); }},
      {"hash", [](auto* o) { o->set_content_hash("short"); }},
      {"no kind", [](auto* o) { o->set_kind(v1::OBJECT_KIND_UNSPECIFIED); }},
      {"new kind",
       [](auto* o) { o->set_kind(static_cast<v1::ObjectKind>(9)); }},
      {"dtype 0", [](auto* o) { o->set_dtype(0); }},
      {"dtype 23", [](auto* o) { o->set_dtype(23); }},
      {"not quantizable", [](auto* o) { o->set_dtype(7); }},
      {"shape", [](auto* o) { o->set_shape(0, 4); }},
      {"overflow",
       [](auto* o) {
         o->set_shape(0, 1ull << 63);
         o->set_shape(1, 4);
         o->set_raw_bytes(0);
       }},
      {"rank", [](auto* o) { o->add_shape(1); }},
      {"columns",
       [](auto* o) {
         o->set_shape(0, 3);
         o->set_shape(1, 1 << 21);
       }},
      {"strategy", [](auto* o) { o->mutable_quantization()->set_strategy(4); }},
      {"group", [](auto* o) { o->mutable_quantization()->set_strategy(3); }},
      {"group size",
       [](auto* o) { o->mutable_quantization()->set_group_size(3); }},
      {"coder", [](auto* o) { o->mutable_quantization()->set_coder(0); }},
      {"chunk raw", [](auto* o) { o->mutable_chunks(0)->set_raw_bytes(41); }},
      {"rows",
       [](auto* o) {
         o->mutable_chunks(0)->set_rows(1);
         o->mutable_chunks(0)->set_raw_bytes(20);
       }},
      {"chunk missing", [](auto* o) { o->mutable_chunks()->RemoveLast(); }},
      {"no int8", [](auto* o) { o->mutable_chunks(1)->clear_int8(); }},
      {"no residual", [](auto* o) { o->mutable_chunks(1)->clear_residual(); }},
      {"plain too", [](auto* o) { o->mutable_chunks(1)->mutable_plain(); }},
      {"order",
       [](auto* o) {
         o->mutable_chunks(1)->mutable_residual(0)->set_subgroup(4);
       }},
      {"subgroup",
       [](auto* o) {
         o->mutable_chunks(1)->mutable_residual(1)->set_subgroup(256);
       }},
      {"int8 subgroup",
       [](auto* o) { o->mutable_chunks(1)->mutable_int8()->set_subgroup(1); }},
      {"blob size",
       [](auto* o) {
         o->mutable_chunks(1)->mutable_int8()->set_size_bytes(~0ull);
       }},
      {"opaque with shape",
       [](auto* o) { o->set_kind(v1::OBJECT_KIND_OPAQUE); }},
      {"plain with int8", [](auto* o) { o->set_kind(v1::OBJECT_KIND_PLAIN); }},
  };
  for (const Case& c : cases) {
    v1::Object object = SampleObject();
    c.spoil(&object);
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateObject(object))) << c.name;
  }
}

TEST(RecordsTest, SummaryCountsKeysAndScales) {
  v1::Object object = SampleObject();
  const ObjectSummary channel = Summarize(object);
  EXPECT_EQ(channel.int8_bytes, 2 * (40u + 13));
  EXPECT_EQ(channel.residual_bytes, 4 * (5u + 13));
  EXPECT_EQ(channel.plain_bytes, 0u);
  EXPECT_EQ(channel.int8_copy_bytes, 30u + 3 * 4);
  object.mutable_quantization()->set_strategy(1);
  EXPECT_EQ(Summarize(object).int8_copy_bytes, 30u + 4);
  object.mutable_quantization()->set_strategy(3);
  object.mutable_quantization()->set_group_size(4);
  EXPECT_EQ(Summarize(object).int8_copy_bytes, 30u + 3 * 3 * 4);
}

TEST(HistogramTextTest, SumsCountsOfAllLevels) {
  EXPECT_EQ(SumOfHistogramCounts(""), 0u);
  EXPECT_EQ(SumOfHistogramCounts("Level 0\nCount: 12 Average: 3.5\nLevel 1\n"
                                 "Count: 30 Average: 1\nCount: x"),
            42u);
}

}  // namespace
}  // namespace qstore::storage
