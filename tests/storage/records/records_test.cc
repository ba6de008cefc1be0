#include "storage/records/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "model/dtype.h"
#include "storage/objects/object_summary.h"
#include "storage/records/keys.h"
#include "storage/records/record_messages.h"
#include "storage/records/validate_records.h"
#include "storage/rocksdb/histogram_text.h"

namespace qstore::storage {
namespace {

using ::testing::HasSubstr;

StoredSegment SampleSegment(const std::string& name, uint64_t raw_bytes,
                            uint8_t number) {
  StoredSegment segment;
  segment.object_id = number;
  segment.tensor_name = name;
  segment.raw_bytes = raw_bytes;
  segment.content_hash.fill(number);
  return segment;
}

StoredRevision SampleRevision() {
  StoredRevision revision;
  revision.model = "org/m";
  revision.quantizer = "absmax";
  revision.files = {
      {.path = "model.safetensors",
       .size_bytes = 30,
       .safetensors = true,
       .segments = {SampleSegment("", 10, 1), SampleSegment("w", 20, 3)}},
      {.path = "config.json",
       .size_bytes = 2,
       .safetensors = false,
       .segments = {SampleSegment("", 2, 2)}}};
  return revision;
}

model::Blob RecordedBlob(uint8_t subgroup, uint64_t size_bytes) {
  model::Blob blob;
  blob.subgroup = subgroup;
  blob.size_bytes = size_bytes;
  for (uint64_t i = 0; i < model::ValueCount(size_bytes); ++i) {
    blob.value_xxh3.push_back((i + 1) << 56 | subgroup);
  }
  return blob;
}

// An F16 matrix of two chunks.
model::Object QuantizedObject() {
  model::Object object;
  object.id = 9;
  object.content_hash.fill('h');
  object.dtype = Dtype::kF16;
  object.shape = {3, 10};
  object.raw_bytes = 60;
  object.quantization = model::Quantization{.quantizer = "absmax"};
  for (const uint32_t rows : {2u, 1u}) {
    model::Chunk chunk;
    chunk.rows = rows;
    chunk.raw_bytes = 20 * rows;
    chunk.raw_xxh3 = ~uint64_t{rows};
    chunk.layers = {{.layer = 1,
                     .blobs = {RecordedBlob(0, 40)},
                     .decoded_xxh3 = {7, ~uint64_t{0}}},
                    {.layer = 2,
                     .blobs = {RecordedBlob(0, 5), RecordedBlob(4, 5)},
                     .decoded_xxh3 = {}}};
    object.chunks.push_back(chunk);
  }
  return object;
}

// An I64 vector whose blobs are cut.
model::Object UnquantizedObject() {
  model::Object object;
  object.id = 10;
  object.content_hash.fill('p');
  object.dtype = Dtype::kI64;
  object.shape = {3u << 19};
  object.raw_bytes = 12u << 20;
  for (const uint64_t raw_bytes : {8u << 20, 4u << 20}) {
    model::Chunk chunk;
    chunk.raw_bytes = raw_bytes;
    chunk.layers = {{.layer = 3,
                     .blobs = {RecordedBlob(0, raw_bytes / 2 + 1)},
                     .decoded_xxh3 = {}}};
    object.chunks.push_back(chunk);
  }
  return object;
}

absl::StatusOr<model::Object> ParseObject(const v2::Object& message) {
  const uint64_t id = message.object_id();
  return ParseObjectRecord(
      id, AsBytes(SealRecord(ObjectKey(id), message.SerializeAsString())));
}

absl::StatusOr<StoredRevision> ParseRevision(const StoredRevision& revision,
                                             const std::string& id) {
  return ParseRevisionRecord(
      revision.model, id,
      AsBytes(SealRecord(RevisionKey(revision.model, id),
                         ToMessage(revision).SerializeAsString())));
}

// Computed by an independent program from docs/format.md; must never change.
TEST(RecordsTest, RevisionIdIsAsDocumented) {
  EXPECT_EQ(RevisionId(SampleRevision()),
            "58e768127acd631fa68fe8e38a94ad70e11623bff88d8ba84e5955ea105a10da");
}

TEST(RecordsTest, RevisionIdFollowsFromTheContentAlone) {
  const std::string id = RevisionId(SampleRevision());
  StoredRevision other = SampleRevision();
  other.model = "org/other";
  other.created_unix_seconds = 5;
  std::swap(other.files[0], other.files[1]);
  other.files[0].segments[0].object_id = 77;
  EXPECT_EQ(RevisionId(other), id);
  const std::vector<std::function<void(StoredRevision*)>> changes = {
      [](auto* r) { r->quantizer = "none"; },
      [](auto* r) { r->files[1].path = "config.jsom"; },
      [](auto* r) { r->files[1].size_bytes = 3; },
      [](auto* r) { r->files[1].safetensors = true; },
      [](auto* r) { r->files[0].segments[1].tensor_name = "v"; },
      [](auto* r) { r->files[0].segments[1].raw_bytes = 21; },
      [](auto* r) { r->files[0].segments[1].content_hash[31] = 'x'; },
      [](auto* r) {
        std::swap(r->files[0].segments[0], r->files[0].segments[1]);
      },
      [](auto* r) { r->files.pop_back(); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    StoredRevision changed = SampleRevision();
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

TEST(RecordsTest, ObjectsComeBack) {
  model::Object opaque;
  opaque.id = 11;
  opaque.raw_bytes = 1;
  opaque.chunks = {UnquantizedObject().chunks[0]};
  opaque.chunks[0].raw_bytes = 1;
  model::Object empty = UnquantizedObject();
  empty.shape = {0, 5};
  empty.raw_bytes = 0;
  empty.chunks.clear();
  model::Object grouped = QuantizedObject();
  grouped.quantization->strategy = codec::ScaleStrategy::kGroup;
  grouped.quantization->group_size = 4;
  grouped.quantization->coder = codec::Int8Coder::kSliced;
  for (const model::Object& object :
       {QuantizedObject(), UnquantizedObject(), opaque, empty, grouped}) {
    const auto parsed = ParseObject(ToMessage(object));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, object);
  }
  // Under another id it is damage.
  const std::string payload = ToMessage(QuantizedObject()).SerializeAsString();
  const auto misplaced =
      ParseObjectRecord(8, AsBytes(SealRecord(ObjectKey(8), payload)));
  EXPECT_TRUE(absl::IsDataLoss(misplaced.status()));
  EXPECT_THAT(std::string(misplaced.status().message()), HasSubstr("object 9"));
}

TEST(RecordsTest, RevisionsComeBack) {
  StoredRevision revision = SampleRevision();
  revision.created_unix_seconds = 1'800'000'000;
  revision.stored.Add(1, 1000);
  revision.stored.Add(2, 1);
  revision.stored.Add(255, uint64_t{1} << 40);
  revision.stored.AddOther(7);
  revision.original_bytes = 32;
  revision.two_copies_bytes = 50;
  revision.revision = RevisionId(revision);
  const std::string id = revision.revision;
  const auto read = ParseRevision(revision, id);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, revision);
  // Content that is not what the id says.
  revision.quantizer = "none";
  EXPECT_TRUE(absl::IsDataLoss(ParseRevision(revision, id).status()));
}

struct ObjectCase {
  const char* name;
  std::function<void(v2::Object*)> spoil;
};

v2::Layer* LayerOf(v2::Object* object, int chunk, int layer) {
  return object->mutable_chunks(chunk)->mutable_layers(layer);
}
v2::Blob* BlobOf(v2::Object* object, int chunk, int layer, int blob) {
  return LayerOf(object, chunk, layer)->mutable_blobs(blob);
}

// In a record it is damage; as a struct, where one can hold it, an invalid
// argument.
void ExpectRefused(const v2::Object& whole, const ObjectCase& c) {
  SCOPED_TRACE(c.name);
  v2::Object message = whole;
  c.spoil(&message);
  const absl::Status status = ParseObject(message).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("record \"o/"));
  const absl::StatusOr<model::Object> object = FromMessage(message);
  EXPECT_TRUE(absl::IsInvalidArgument(
      object.ok() ? ValidateStoredObject(*object) : object.status()));
}

TEST(RecordsTest, RefusesObjectsThatContradictThemselves) {
  const v2::Object whole = ToMessage(QuantizedObject());
  ASSERT_TRUE(ParseObject(whole).ok());
  const std::vector<ObjectCase> cases = {
      {"id", [](auto* o) { o->set_object_id(0); }},
      {"dtype 0", [](auto* o) { o->set_dtype(0); }},
      {"not quantizable", [](auto* o) { o->set_dtype(7); }},
      {"shape", [](auto* o) { o->set_shape(0, 4); }},
      {"overflow",
       [](auto* o) {
         o->set_shape(0, 1ull << 63);
         o->set_shape(1, 4);
         o->set_raw_bytes(0);
       }},
      {"rank", [](auto* o) { o->add_shape(1); }},
      {"rank 65",
       [](auto* o) {
         for (int i = 0; i < 63; ++i) o->add_shape(1);
       }},
      {"columns",
       [](auto* o) {
         o->set_shape(0, 3);
         o->set_shape(1, 1 << 21);
         o->set_raw_bytes(12 << 20);
       }},
      {"rows past u32",
       [](auto* o) {
         o->set_shape(0, 1ull << 32);
         o->set_shape(1, 1);
         o->set_raw_bytes(1ull << 33);
       }},
      {"raw bytes", [](auto* o) { o->set_raw_bytes(61); }},
      {"strategy 0",
       [](auto* o) { o->mutable_quantization()->set_strategy(0); }},
      {"strategy", [](auto* o) { o->mutable_quantization()->set_strategy(4); }},
      {"group", [](auto* o) { o->mutable_quantization()->set_strategy(3); }},
      {"group size",
       [](auto* o) { o->mutable_quantization()->set_group_size(3); }},
      {"large group",
       [](auto* o) {
         o->mutable_quantization()->set_strategy(3);
         o->mutable_quantization()->set_group_size((1 << 20) + 1);
       }},
      {"coder", [](auto* o) { o->mutable_quantization()->set_coder(0); }},
      {"no quantizer",
       [](auto* o) { o->mutable_quantization()->clear_quantizer(); }},
      {"not quantized", [](auto* o) { o->clear_quantization(); }},
      {"opaque with shape",
       [](auto* o) {
         o->clear_quantization();
         o->set_dtype(0);
       }},
      {"chunk raw", [](auto* o) { o->mutable_chunks(0)->set_raw_bytes(41); }},
      {"rows",
       [](auto* o) {
         o->mutable_chunks(0)->set_rows(1);
         o->mutable_chunks(0)->set_raw_bytes(20);
       }},
      {"no rows",
       [](auto* o) {
         v2::Chunk* chunk = o->add_chunks();
         *chunk = o->chunks(0);
         chunk->set_rows(0);
         chunk->set_raw_bytes(0);
       }},
      {"chunk missing", [](auto* o) { o->mutable_chunks()->RemoveLast(); }},
      {"no layers", [](auto* o) { o->mutable_chunks(1)->clear_layers(); }},
      {"no int8",
       [](auto* o) {
         o->mutable_chunks(1)->mutable_layers()->SwapElements(0, 1);
         o->mutable_chunks(1)->mutable_layers()->RemoveLast();
       }},
      {"no residual",
       [](auto* o) { o->mutable_chunks(1)->mutable_layers()->RemoveLast(); }},
      {"upside down",
       [](auto* o) {
         o->mutable_chunks(1)->mutable_layers()->SwapElements(0, 1);
       }},
      {"int8 twice", [](auto* o) { LayerOf(o, 1, 1)->set_number(1); }},
      {"plain too",
       [](auto* o) {
         v2::Layer* layer = o->mutable_chunks(1)->add_layers();
         layer->set_number(3);
         *layer->add_blobs() = o->chunks(1).layers(0).blobs(0);
       }},
      {"plain instead",
       [](auto* o) {
         o->mutable_chunks(1)->mutable_layers()->RemoveLast();
         LayerOf(o, 1, 0)->set_number(3);
       }},
      {"layer 0", [](auto* o) { LayerOf(o, 1, 0)->set_number(0); }},
      {"layer 9", [](auto* o) { LayerOf(o, 1, 1)->set_number(9); }},
      {"no blobs", [](auto* o) { LayerOf(o, 1, 1)->clear_blobs(); }},
      {"order", [](auto* o) { BlobOf(o, 1, 1, 0)->set_subgroup(4); }},
      {"int8 subgroup", [](auto* o) { BlobOf(o, 1, 0, 0)->set_subgroup(1); }},
      {"two int8 blobs",
       [](auto* o) {
         *LayerOf(o, 1, 0)->add_blobs() = o->chunks(1).layers(1).blobs(1);
       }},
      {"blob size", [](auto* o) { BlobOf(o, 1, 0, 0)->set_size_bytes(~0ull); }},
      {"large blob",
       [](auto* o) {
         v2::Blob* blob = BlobOf(o, 1, 0, 0);
         blob->set_size_bytes(model::kMaxBlobBytes + 1);
         for (int i = 0; i < 32; ++i) blob->add_value_xxh3(i);
       }},
      {"empty blob",
       [](auto* o) {
         BlobOf(o, 1, 0, 0)->set_size_bytes(0);
         BlobOf(o, 1, 0, 0)->clear_value_xxh3();
       }},
      {"no value", [](auto* o) { BlobOf(o, 1, 0, 0)->clear_value_xxh3(); }},
      {"two values", [](auto* o) { BlobOf(o, 1, 0, 0)->add_value_xxh3(1); }},
  };
  for (const ObjectCase& c : cases) ExpectRefused(whole, c);
}

TEST(RecordsTest, RefusesUnquantizedObjectsThatContradictThemselves) {
  const v2::Object whole = ToMessage(UnquantizedObject());
  ASSERT_TRUE(ParseObject(whole).ok());
  const std::vector<ObjectCase> cases = {
      {"rows", [](auto* o) { o->mutable_chunks(0)->set_rows(1); }},
      {"quantization",
       [](auto* o) { o->mutable_quantization()->set_quantizer("absmax"); }},
      {"int8 alone", [](auto* o) { LayerOf(o, 0, 0)->set_number(1); }},
      {"int8 and residual",
       [](auto* o) {
         v2::Layer* layer = o->mutable_chunks(0)->add_layers();
         *layer = o->chunks(0).layers(0);
         layer->set_number(2);
         LayerOf(o, 0, 0)->set_number(1);
       }},
      {"residual alone", [](auto* o) { LayerOf(o, 0, 0)->set_number(2); }},
      {"plain subgroup", [](auto* o) { BlobOf(o, 0, 0, 0)->set_subgroup(1); }},
      {"two plain blobs",
       [](auto* o) {
         *LayerOf(o, 0, 0)->add_blobs() = o->chunks(0).layers(0).blobs(0);
         BlobOf(o, 0, 0, 1)->set_subgroup(1);
       }},
      {"a value too few",
       [](auto* o) { BlobOf(o, 0, 0, 0)->mutable_value_xxh3()->RemoveLast(); }},
      {"empty chunk", [](auto* o) { *o->add_chunks() = v2::Chunk(); }},
      {"large chunk",
       [](auto* o) {
         o->set_shape(0, 3u << 20);
         o->set_raw_bytes(24u << 20);
         o->mutable_chunks(0)->set_raw_bytes(20u << 20);
       }},
      {"sizes", [](auto* o) { o->mutable_chunks(0)->set_raw_bytes(1); }},
  };
  for (const ObjectCase& c : cases) ExpectRefused(whole, c);
}

// What a record can say and a struct cannot.
TEST(RecordsTest, NumbersThatDoNotExistAreDamage) {
  const v2::Object whole = ToMessage(QuantizedObject());
  const std::vector<ObjectCase> cases = {
      {"short hash",
       [](auto* o) { o->set_content_hash(std::string(31, 'h')); }},
      {"long hash", [](auto* o) { o->set_content_hash(std::string(33, 'h')); }},
      {"no hash", [](auto* o) { o->clear_content_hash(); }},
      {"dtype 23", [](auto* o) { o->set_dtype(23); }},
      {"dtype 264", [](auto* o) { o->set_dtype(256 + 8); }},
      {"layer 257", [](auto* o) { LayerOf(o, 0, 0)->set_number(256 + 1); }},
      {"subgroup 256", [](auto* o) { BlobOf(o, 1, 1, 1)->set_subgroup(256); }},
      {"strategy 258",
       [](auto* o) { o->mutable_quantization()->set_strategy(256 + 2); }},
      {"strategy 300",
       [](auto* o) { o->mutable_quantization()->set_strategy(300); }},
      {"coder 257",
       [](auto* o) { o->mutable_quantization()->set_coder(256 + 1); }},
  };
  for (const ObjectCase& c : cases) {
    v2::Object message = whole;
    c.spoil(&message);
    EXPECT_FALSE(FromMessage(message).ok()) << c.name;
    ExpectRefused(whole, c);
  }
}

TEST(RecordsTest, RevisionsWithNumbersThatDoNotExistAreDamage) {
  StoredRevision revision = SampleRevision();
  revision.revision = RevisionId(revision);
  const std::vector<std::function<void(v2::Revision*)>> spoilers = {
      [](auto* r) {
        r->mutable_files(0)->mutable_segments(1)->set_content_hash(
            std::string(31, '\3'));
      },
      [](auto* r) {
        v2::LayerBytes::Entry* entry = r->mutable_stored()->add_layers();
        entry->set_layer(256);
        entry->set_bytes(1);
      },
  };
  for (const auto& spoil : spoilers) {
    v2::Revision message = ToMessage(revision);
    spoil(&message);
    const std::string key = RevisionKey("org/m", revision.revision);
    EXPECT_TRUE(absl::IsDataLoss(
        ParseRevisionRecord(
            "org/m", revision.revision,
            AsBytes(SealRecord(key, message.SerializeAsString())))
            .status()));
  }
}

TEST(RecordsTest, SummaryCountsKeysAndScales) {
  model::Object object = QuantizedObject();
  const ObjectSummary channel = Summarize(object);
  EXPECT_EQ(channel.stored.of(1), 2 * (40u + 15));
  EXPECT_EQ(channel.stored.of(2), 4 * (5u + 15));
  EXPECT_EQ(channel.stored.of(3), 0u);
  EXPECT_EQ(channel.low_precision_bytes, 30u + 3 * 4);
  object.quantization->strategy = codec::ScaleStrategy::kTensor;
  EXPECT_EQ(Summarize(object).low_precision_bytes, 30u + 4);
  object.quantization->strategy = codec::ScaleStrategy::kGroup;
  object.quantization->group_size = 4;
  EXPECT_EQ(Summarize(object).low_precision_bytes, 30u + 3 * 3 * 4);
}

// Each value has a key of its own.
TEST(RecordsTest, SummaryCountsAKeyForEachValue) {
  model::Object object = UnquantizedObject();
  const ObjectSummary plain = Summarize(object);
  const uint64_t payload = (4u << 20) + 1 + (2u << 20) + 1;
  EXPECT_EQ(plain.stored.of(3), payload + (5 + 3) * 15);
  EXPECT_EQ(plain.low_precision_bytes, object.raw_bytes);
  object.dtype.reset();
  object.shape.clear();
  const ObjectSummary opaque = Summarize(object);
  EXPECT_EQ(opaque.stored.of(3), 0u);
  EXPECT_GT(opaque.stored.other(), payload + (5 + 3) * 15);
}

TEST(HistogramTextTest, SumsCountsOfAllLevels) {
  EXPECT_EQ(SumOfHistogramCounts(""), 0u);
  EXPECT_EQ(SumOfHistogramCounts("Level 0\nCount: 12 Average: 3.5\nLevel 1\n"
                                 "Count: 30 Average: 1\nCount: x"),
            42u);
}

}  // namespace
}  // namespace qstore::storage
