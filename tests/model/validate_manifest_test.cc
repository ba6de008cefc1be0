#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/manifest.h"
#include "tests/model/sample_manifest.h"

namespace qstore::model {
namespace {

using ::testing::HasSubstr;

// What is said of a manifest after `change`.
std::string Refusal(const std::function<void(Manifest*)>& change) {
  Manifest manifest = SampleManifest();
  change(&manifest);
  const absl::Status status = ValidateManifest(manifest);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ValidateManifestTest, TakesWhatIsRight) {
  EXPECT_TRUE(ValidateManifest(SampleManifest()).ok());
  EXPECT_TRUE(ValidateManifest(Manifest()).ok());
}

TEST(ValidateManifestTest, RefusesPaths) {
  EXPECT_THAT(Refusal([](Manifest* m) { m->files[0].path = "../a"; }),
              HasSubstr("../a"));
  EXPECT_THAT(Refusal([](Manifest* m) { m->files[1].path = "a.safetensors"; }),
              HasSubstr("twice"));
  EXPECT_THAT(Refusal([](Manifest* m) { m->files[1].path = "config.json/b"; }),
              HasSubstr("both a file and a directory"));
}

TEST(ValidateManifestTest, RefusesSegmentsThatContradictObjects) {
  EXPECT_THAT(Refusal([](Manifest* m) {
                m->files[0].segments[3].tensor_name = "norm.weight";
              }),
              HasSubstr("tensor \"norm.weight\" is there twice"));
  EXPECT_THAT(
      Refusal([](Manifest* m) { m->files[0].segments[1].object_index = 2; }),
      HasSubstr("object 1 was not used before"));
  EXPECT_THAT(
      Refusal([](Manifest* m) { m->files[2].segments[0].object_index = 6; }),
      HasSubstr("there are 6"));
  EXPECT_THAT(Refusal([](Manifest* m) { ++m->files[2].segments[0].raw_bytes; }),
              HasSubstr("config.json"));
  EXPECT_THAT(Refusal([](Manifest* m) { ++m->files[2].size_bytes; }),
              HasSubstr("config.json"));
  EXPECT_THAT(
      Refusal([](Manifest* m) { m->objects.push_back(OpaqueObject(1)); }),
      HasSubstr("7 objects"));
  EXPECT_THAT(
      Refusal([](Manifest* m) { m->files[0].segments[2].tensor_name = ""; }),
      HasSubstr("no name"));
}

TEST(ValidateManifestTest, RefusesObjects) {
  const auto matrix = [](const std::function<void(Object*)>& change) {
    return Refusal([&](Manifest* m) { change(&m->objects[1]); });
  };
  EXPECT_THAT(matrix([](Object* o) { o->shape[0] = 9'999; }),
              HasSubstr("shape and dtype"));
  EXPECT_THAT(matrix([](Object* o) { o->dtype = Dtype::kI16; }),
              HasSubstr("only matrices"));
  EXPECT_THAT(matrix([](Object* o) { o->quantization->group_size = 8; }),
              HasSubstr("group size 8"));
  EXPECT_THAT(matrix([](Object* o) {
                o->quantization->strategy = codec::ScaleStrategy{9};
              }),
              HasSubstr("strategy 9"));
  EXPECT_THAT(matrix([](Object* o) { --o->chunks[1].rows; }),
              HasSubstr("chunk 1"));
  EXPECT_THAT(matrix([](Object* o) { o->chunks.pop_back(); }),
              HasSubstr("chunks have"));
  EXPECT_THAT(matrix([](Object* o) { o->chunks[0].layers[0].layer = 3; }),
              HasSubstr("does not stand on"));
  EXPECT_THAT(matrix([](Object* o) { o->chunks[0].layers[1].layer = 77; }),
              HasSubstr("layer 77 is unknown"));
  EXPECT_THAT(matrix([](Object* o) { o->chunks[0].layers.clear(); }),
              HasSubstr("no layers"));
  EXPECT_THAT(
      matrix([](Object* o) { o->chunks[0].layers[1].blobs[1].subgroup = 0; }),
      HasSubstr("comes after"));
  EXPECT_THAT(matrix([](Object* o) {
                o->chunks[0].layers[0].blobs[0].value_xxh3.pop_back();
              }),
              HasSubstr("values"));
  EXPECT_THAT(
      matrix([](Object* o) { o->chunks[0].layers[0].blobs[0].size_bytes = 0; }),
      HasSubstr("0 bytes"));
  EXPECT_THAT(matrix([](Object* o) { o->chunks[0].layers.pop_back(); }),
              HasSubstr("do not give the original"));
  EXPECT_THAT(matrix([](Object* o) {
                o->chunks[0].layers.pop_back();
                o->chunks[0].layers[0].layer = 3;
              }),
              HasSubstr("layer 3 is not one of a quantized tensor"));
  EXPECT_THAT(
      matrix([](Object* o) { o->chunks[1].layers[0].decoded_xxh3.clear(); }),
      HasSubstr("chunk 1: layer 1 has no checksums"));
  EXPECT_THAT(
      matrix([](Object* o) { o->chunks[0].layers[1].decoded_xxh3 = {1}; }),
      HasSubstr("layer 2 has checksums, though"));
  EXPECT_THAT(matrix([](Object* o) { o->quantization.reset(); }),
              HasSubstr("layer 1 is not one of what is not quantized"));
  EXPECT_THAT(
      matrix([](Object* o) { o->chunks[0].layers[0].blobs[0].subgroup = 1; }),
      HasSubstr("layer 1: it is one blob, of subgroup 0"));
  EXPECT_THAT(matrix([](Object* o) {
                o->chunks[0].layers[0].blobs.push_back(SampleBlob(5, 1));
              }),
              HasSubstr("layer 1: it is one blob, of subgroup 0"));
  EXPECT_THAT(Refusal([](Manifest* m) { m->objects[2].chunks[0].rows = 1; }),
              HasSubstr("only quantized chunks have rows"));
  EXPECT_THAT(Refusal([](Manifest* m) {
                m->objects[5].chunks.push_back(m->objects[5].chunks[0]);
                m->objects[5].chunks[0].raw_bytes = 0;
              }),
              HasSubstr("no bytes"));
}

TEST(ValidateManifestTest, NamesObjectsByTheirFirstUse) {
  const Manifest manifest = SampleManifest();
  EXPECT_EQ(DescribeObject(manifest, 2),
            "file \"a.safetensors\": tensor \"norm.weight\"");
  EXPECT_EQ(DescribeObject(manifest, 5), "file \"config.json\"");
}

}  // namespace
}  // namespace qstore::model
