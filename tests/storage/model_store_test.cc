// Uploads, revisions, tags and what readers see of them.
#include "storage/model_store.h"

#include "tests/storage/families.h"
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void ExpectEqual(const std::vector<SampleObject::SampleLayer>& read,
                 const std::vector<SampleObject::SampleLayer>& stored) {
  ASSERT_EQ(read.size(), stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(read[i].layer, stored[i].layer);
    ASSERT_EQ(read[i].blobs.size(), stored[i].blobs.size());
    for (size_t j = 0; j < stored[i].blobs.size(); ++j) {
      EXPECT_EQ(read[i].blobs[j].subgroup, stored[i].blobs[j].subgroup);
      EXPECT_EQ(read[i].blobs[j].bytes, stored[i].blobs[j].bytes);
    }
  }
}

template <typename Maker>
class ModelStoreTest : public StoreTest<Maker> {};
TYPED_TEST_SUITE(ModelStoreTest, Makers);

TYPED_TEST(ModelStoreTest, CommittedRevisionIsReadBackWhole) {
  const std::vector<SampleObject> tensors = {QuantizedSample(1), PlainSample(2),
                                             LargeSample(3)};
  const auto result =
      UploadSamples(this->store_.get(), "org/m", "main", tensors);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->created);
  this->Reopen();

  auto reader = this->store_->OpenRevision(Ref("org/m:main"));
  ASSERT_TRUE(reader.ok()) << reader.status();
  const StoredRevision& revision = (*reader)->revision();
  EXPECT_EQ(revision, result->revision);
  EXPECT_EQ(revision.model, "org/m");
  EXPECT_EQ(revision.revision.size(), kRevisionHexDigits);
  EXPECT_GT(revision.created_unix_seconds, 1'700'000'000);
  // 2 int8, 6 residual, 1 and those of the large one plain, 1 opaque.
  EXPECT_EQ(*ReadAllValues(reader->get()), 10 + kLargeSampleValues);

  for (size_t i = 0; i < tensors.size(); ++i) {
    const StoredSegment& segment = revision.files[0].segments[i];
    const auto object = (*reader)->GetObject(segment.object_id);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(object->id, segment.object_id);
    EXPECT_EQ(object->raw_bytes, tensors[i].object.raw_bytes);
    ASSERT_EQ(object->chunks.size(), tensors[i].chunks.size());
    for (size_t c = 0; c < tensors[i].chunks.size(); ++c) {
      const auto layers =
          ReadLayers(reader->get(), *object, static_cast<uint32_t>(c));
      ASSERT_TRUE(layers.ok()) << layers.status();
      ExpectEqual(*layers, tensors[i].chunks[c].layers);
    }
  }
}

TYPED_TEST(ModelStoreTest, NothingIsVisibleBeforeCommit) {
  auto upload = this->store_->BeginUpload("org/m");
  ASSERT_TRUE(upload.ok());
  auto draft =
      DraftOf(upload->get(), "org/m", {QuantizedSample(1), LargeSample(2)}, 1);
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_THAT(*this->store_->ListModels(), IsEmpty());
  EXPECT_THAT(this->store_->GetModel("org/m").status(),
              StatusIs(absl::StatusCode::kNotFound, "org/m"));
  EXPECT_THAT(this->Check("org/m:main"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_TRUE((*upload)->Commit(*draft, "main").ok());
  EXPECT_TRUE(this->Check("org/m:main").ok());
}

TYPED_TEST(ModelStoreTest, AbandonedUploadLeavesNothing) {
  const uint64_t before_bytes = this->engine_.blobs->DiskBytes();
  {
    auto upload = this->store_->BeginUpload("org/m");
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE(DraftOf(upload->get(), "org/m",
                        {QuantizedSample(1), LargeSample(2), LargeSample(3)}, 1)
                    .ok());
    EXPECT_GT(this->DataKeyCount(), 0);
  }
  EXPECT_EQ(this->DataKeyCount(), 0);
  EXPECT_LT(this->engine_.blobs->DiskBytes(), before_bytes + (1 << 20));
  // The format version and the next id.
  EXPECT_EQ(this->RecordCount(), 2);
}

TYPED_TEST(ModelStoreTest, UnfinishedObjectLeavesNothing) {
  auto upload = this->store_->BeginUpload("org/m");
  ASSERT_TRUE(upload.ok());
  const SampleObject sample = LargeSample(1);
  {
    auto writer = (*upload)->AddObject();
    ASSERT_TRUE(writer.ok());
    EXPECT_THAT((*upload)->AddObject().status(),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    for (const auto& chunk : sample.chunks) {
      ASSERT_TRUE((*writer)->AddChunk(chunk.chunk, chunk.to_store()).ok());
    }
  }
  EXPECT_EQ(this->DataKeyCount(), 0);
  EXPECT_TRUE(AddSample(upload->get(), sample).ok());
  EXPECT_EQ(this->DataKeyCount(), kLargeSampleValues);
}

TYPED_TEST(ModelStoreTest, EqualObjectsAreStoredOnce) {
  this->MustUpload("org/a", "main", {QuantizedSample(1), LargeSample(2)});
  const int keys = this->DataKeyCount();
  // The same tensors and another file, in another model, without asking first.
  auto upload = this->store_->BeginUpload("org/b");
  ASSERT_TRUE(upload.ok());
  const auto first = AddSample(upload->get(), QuantizedSample(1));
  const auto again = AddSample(upload->get(), QuantizedSample(1));
  const auto large = AddSample(upload->get(), LargeSample(2));
  const auto small = AddSample(upload->get(), PlainSample(7));
  const auto small_again = AddSample(upload->get(), PlainSample(7));
  ASSERT_TRUE(first.ok() && again.ok() && large.ok());
  ASSERT_TRUE(small.ok() && small_again.ok());
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(*small, *small_again);
  EXPECT_NE(*small, *first);
  EXPECT_EQ(**(*upload)->FindObject(PlainSample(7).content_hash()), *small);
  EXPECT_EQ(**(*upload)->FindObject(LargeSample(2).content_hash()), *large);
  EXPECT_EQ(*(*upload)->FindObject(LargeSample(3).content_hash()),
            std::nullopt);
  auto draft = DraftOf(
      upload->get(), "org/b",
      {QuantizedSample(1), LargeSample(2), PlainSample(7), PlainSample(7)}, 1);
  ASSERT_TRUE(draft.ok()) << draft.status();
  ASSERT_TRUE((*upload)->Commit(*draft, "main").ok());
  EXPECT_EQ(this->DataKeyCount(), keys + 1);
  EXPECT_TRUE(this->Check("org/a:main").ok());
  EXPECT_TRUE(this->Check("org/b:main").ok());
}

TYPED_TEST(ModelStoreTest, CommitOfTheSameContentOnlyMovesTheTag) {
  const auto first = UploadSamples(this->store_.get(), "org/m", "a",
                                   {QuantizedSample(1), PlainSample(2)});
  ASSERT_TRUE(first.ok());
  const auto second = UploadSamples(this->store_.get(), "org/m", "b",
                                    {QuantizedSample(1), PlainSample(2)});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->created);
  EXPECT_EQ(second->revision, first->revision);
  const auto model = this->store_->GetModel("org/m");
  ASSERT_TRUE(model.ok());
  EXPECT_THAT(model->revisions, ElementsAre(first->revision.revision));
  EXPECT_THAT(this->TagNames("org/m"), ElementsAre("a", "b"));
  // Under another name it is the same revision of another model.
  const auto third = UploadSamples(this->store_.get(), "org/n", "",
                                   {QuantizedSample(1), PlainSample(2)});
  ASSERT_TRUE(third.ok());
  EXPECT_TRUE(third->created);
  EXPECT_EQ(third->revision.revision, first->revision.revision);
  EXPECT_THAT(this->TagNames("org/n"), IsEmpty());
}

TYPED_TEST(ModelStoreTest, AddedButUnusedObjectsGoAtCommit) {
  auto upload = this->store_->BeginUpload("org/m");
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE(AddSample(upload->get(), LargeSample(9)).ok());
  ASSERT_TRUE(AddSample(upload->get(), PlainSample(10)).ok());
  auto draft = DraftOf(upload->get(), "org/m", {PlainSample(2)}, 1);
  ASSERT_TRUE(draft.ok());
  ASSERT_TRUE((*upload)->Commit(*draft, "main").ok());
  EXPECT_EQ(this->DataKeyCount(), 2);
  EXPECT_TRUE(this->Check("org/m:main").ok());
  EXPECT_THAT((*upload)->Commit(*draft, "main").status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT((*upload)->AddObject().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TYPED_TEST(ModelStoreTest, AccountsForStoredBytesAndTwoCopies) {
  const auto result = UploadSamples(
      this->store_.get(), "org/m", "main",
      {QuantizedSample(1, 64, 128), PlainSample(2, 100), PlainSample(2, 100)},
      1);
  ASSERT_TRUE(result.ok()) << result.status();
  const StoredRevision& revision = result->revision;
  const uint64_t weights = 64 * 128;
  EXPECT_EQ(revision.stored.of(1), weights + 2 * 15);
  EXPECT_EQ(revision.stored.of(2), 6 * (32 * 128 / 6 + 15));
  EXPECT_EQ(revision.stored.of(3), 400u + 15);
  const uint64_t original_bytes = 2 * weights + 800 + 500;
  EXPECT_EQ(revision.original_bytes, original_bytes);
  EXPECT_EQ(revision.two_copies_bytes,
            original_bytes + weights + 64 * 4 + 800 + 500);
  // All that is in the store but the format version and the next id.
  uint64_t sum = 0;
  ASSERT_TRUE(this->engine_.records
                  ->Scan("", "\xff",
                         [&sum](std::string_view key, ByteView value) {
                           if (key.size() > 1 && key[0] != 't') {
                             sum += key.size() + value.size();
                           }
                           return true;
                         })
                  .ok());
  for (const Family family : AllFamilies()) {
    ASSERT_TRUE(this->engine_.blobs
                    ->ListKeys(family, "", "\xff",
                               [&](std::string_view key) {
                                 const auto value =
                                     this->engine_.blobs->Get(family, key);
                                 EXPECT_TRUE(value.ok()) << value.status();
                                 sum += key.size() + value->bytes().size();
                                 return true;
                               })
                    .ok());
  }
  EXPECT_EQ(revision.stored.total(), sum);
}

TYPED_TEST(ModelStoreTest, RefusesDraftsThatDoNotFit) {
  struct Case {
    const char* name;
    std::function<void(StoredRevision*)> spoil;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"size", [](auto* r) { r->files[0].size_bytes = 1; },
       "model.safetensors"},
      {"object", [](auto* r) { r->files[0].segments[0].object_id = 99999; },
       "99999"},
      {"no object", [](auto* r) { r->files[0].segments[0].object_id = 0; },
       "tensor.0"},
      {"segment size", [](auto* r) { r->files[0].segments[0].raw_bytes = 7; },
       "tensor.0"},
      {"hash", [](auto* r) { r->files[0].segments[0].content_hash.fill('x'); },
       "content hash"},
      {"twice", [](auto* r) { r->files.push_back(StoredFile(r->files[1])); },
       "twice"},
      {"parent", [](auto* r) { r->files[1].path = "../x"; }, ".."},
      {"absolute", [](auto* r) { r->files[1].path = "/x"; }, "/x"},
      {"inside a file",
       [](auto* r) { r->files[1].path = "model.safetensors/x"; },
       "inside another file"},
      {"tensor name",
       [](auto* r) { r->files[0].segments[0].tensor_name = "w\xff"; }, "UTF-8"},
      {"model", [](auto* r) { r->model = "org/other"; }, "org/other"},
  };
  for (const Case& c : cases) {
    auto upload = this->store_->BeginUpload("org/m");
    ASSERT_TRUE(upload.ok());
    auto draft = DraftOf(upload->get(), "org/m", {PlainSample(1)}, 1);
    ASSERT_TRUE(draft.ok());
    c.spoil(&*draft);
    EXPECT_THAT((*upload)->Commit(*draft, "main").status(),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message))
        << c.name;
  }
  EXPECT_EQ(this->DataKeyCount(), 0);
  EXPECT_THAT(*this->store_->ListModels(), IsEmpty());
}

TYPED_TEST(ModelStoreTest, RefusesBadNames) {
  EXPECT_THAT(this->store_->BeginUpload("../x").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(this->store_->GetModel("a//b").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(UploadSamples(this->store_.get(), "org/m", "a tag", {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      this->store_
          ->OpenRevision({.model = "m", .tag = "a b", .revision_prefix = ""})
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(this->DataKeyCount(), 0);
}

// An object of another upload that is not held could be collected before the
// commit, so it must not be named.
TYPED_TEST(ModelStoreTest, RefusesObjectsThatTheUploadDoesNotHold) {
  this->MustUpload("org/a", "main", {PlainSample(1)});
  auto upload = this->store_->BeginUpload("org/b");
  ASSERT_TRUE(upload.ok());
  auto reader = this->store_->OpenRevision(Ref("org/a:main"));
  ASSERT_TRUE(reader.ok());
  StoredRevision draft;
  draft.model = "org/b";
  draft.files = (*reader)->revision().files;
  EXPECT_THAT((*upload)->Commit(draft, "main").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "this upload"));
}

TYPED_TEST(ModelStoreTest, RefusesObjectsThatContradictThemselves) {
  auto upload = this->store_->BeginUpload("org/m");
  ASSERT_TRUE(upload.ok());
  SampleObject wrong_sum = PlainSample(1);
  wrong_sum.object.shape[0] = 101;
  EXPECT_THAT(AddSample(upload->get(), wrong_sum).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  // The key space of the records, and one that there is not; of small objects
  // and of those that have gone to a table of their own.
  for (const codec::LayerNumber number : {0, 9}) {
    SampleObject wrong_layer = PlainSample(1);
    wrong_layer.chunks[0].layers[0].layer = number;
    EXPECT_THAT(AddSample(upload->get(), wrong_layer).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, "chunk 0"));
    SampleObject wrong_end = LargeSample(1);
    wrong_end.chunks.push_back(wrong_end.chunks[0]);
    wrong_end.chunks[3].layers[0].layer = number;
    EXPECT_THAT(AddSample(upload->get(), wrong_end).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, "chunk 3"));
  }
  SampleObject disordered = QuantizedSample(1);
  std::swap(disordered.chunks[1].layers[1].blobs[0],
            disordered.chunks[1].layers[1].blobs[1]);
  EXPECT_THAT(AddSample(upload->get(), disordered).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "chunk 1"));
  SampleObject upside_down = QuantizedSample(1);
  std::swap(upside_down.chunks[1].layers[0], upside_down.chunks[1].layers[1]);
  EXPECT_THAT(AddSample(upload->get(), upside_down).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "chunk 1"));
  SampleObject no_residual = QuantizedSample(1);
  no_residual.chunks[0].layers.resize(1);
  EXPECT_THAT(AddSample(upload->get(), no_residual).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "chunk 0"));
  SampleObject no_layers = QuantizedSample(1);
  no_layers.chunks[1].layers.clear();
  EXPECT_THAT(AddSample(upload->get(), no_layers).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "chunk 1"));
  SampleObject empty_blob = PlainSample(1);
  empty_blob.chunks[0].layers[0].blobs[0].bytes.clear();
  EXPECT_THAT(AddSample(upload->get(), empty_blob).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "chunk 0"));
  SampleObject huge_blob = PlainSample(1);
  huge_blob.chunks[0].layers[0].blobs[0].bytes.resize(model::kMaxBlobBytes + 1);
  EXPECT_THAT(AddSample(upload->get(), huge_blob).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "over the limit"));
  // None of this spoils the upload.
  EXPECT_TRUE(AddSample(upload->get(), PlainSample(1)).ok());
}

TYPED_TEST(ModelStoreTest, ListsModelsTagsAndRevisions) {
  const std::string first = this->MustUpload("org/m", "main", {PlainSample(1)});
  const std::string second =
      this->MustUpload("org/m", "main", {PlainSample(2)});
  const std::string third = this->MustUpload("org/m", "", {PlainSample(3)});
  this->MustUpload("a", "latest", {PlainSample(1)});
  this->MustUpload("org/m2", "x", {PlainSample(1)});
  this->Reopen();
  const auto models = this->store_->ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 3u);
  EXPECT_EQ((*models)[0].name, "a");
  EXPECT_EQ((*models)[1].name, "org/m");
  EXPECT_EQ((*models)[2].name, "org/m2");
  EXPECT_THAT((*models)[1].revisions, ElementsAre(third, second, first));
  ASSERT_EQ((*models)[1].tags.size(), 1u);
  EXPECT_EQ((*models)[1].tags[0].name, "main");
  EXPECT_EQ((*models)[1].tags[0].revision, second);
}

TYPED_TEST(ModelStoreTest, ResolvesTagsAndPrefixesAndSaysWhatThereIs) {
  const std::string id = this->MustUpload("org/m", "main", {PlainSample(1)});
  EXPECT_TRUE(this->Check("org/m@" + id).ok());
  EXPECT_TRUE(this->Check("org/m@" + id.substr(0, 8)).ok());
  EXPECT_THAT(this->Check("org/m:prod"),
              StatusIs(absl::StatusCode::kNotFound, "its tags are main"));
  EXPECT_THAT(this->Check("org/x:main"),
              StatusIs(absl::StatusCode::kNotFound, "no model \"org/x\""));
  EXPECT_THAT(this->Check("org/x@" + id),
              StatusIs(absl::StatusCode::kNotFound, "no model \"org/x\""));
  const std::string other = (id[0] == '0' ? "1" : "0") + id.substr(1);
  EXPECT_THAT(this->Check("org/m@" + other),
              StatusIs(absl::StatusCode::kNotFound, id));
}

TYPED_TEST(ModelStoreTest, SetTagCreatesAndMoves) {
  const std::string one = this->MustUpload("org/m", "a", {PlainSample(1)});
  const std::string two = this->MustUpload("org/m", "b", {PlainSample(2)});
  EXPECT_EQ(*this->store_->SetTag(Ref("org/m:a"), "prod"), one);
  EXPECT_EQ(*this->store_->SetTag(Ref("org/m@" + two.substr(0, 10)), "prod"),
            two);
  EXPECT_THAT(this->TagNames("org/m"), ElementsAre("a", "b", "prod"));
  EXPECT_EQ(
      (*this->store_->OpenRevision(Ref("org/m:prod")))->revision().revision,
      two);
  EXPECT_THAT(this->store_->SetTag(Ref("org/m:none"), "x").status(),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(this->store_->SetTag(Ref("org/m:a"), "-").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TYPED_TEST(ModelStoreTest, EmptyTensorsAndFilesAreKept) {
  SampleObject empty = PlainSample(1, 0);
  ASSERT_TRUE(empty.chunks.empty());
  auto upload = this->store_->BeginUpload("org/m");
  ASSERT_TRUE(upload.ok());
  auto draft = DraftOf(upload->get(), "org/m", {empty}, 1);
  ASSERT_TRUE(draft.ok()) << draft.status();
  draft->files.emplace_back().path = "sub/empty.txt";
  ASSERT_TRUE((*upload)->Commit(*draft, "main").ok());
  upload->reset();
  this->Reopen();
  EXPECT_TRUE(this->Check("org/m:main").ok());
}

TYPED_TEST(ModelStoreTest, ManySmallObjectsCrossIdBlocks) {
  std::vector<SampleObject> tensors;
  for (uint64_t i = 0; i < 2500; ++i) tensors.push_back(PlainSample(i, 3));
  this->MustUpload("org/m", "main", tensors);
  EXPECT_EQ(this->KeyCount(kPlainFamily), 2501);
  this->Reopen();
  EXPECT_TRUE(this->Check("org/m:main").ok());
}

TYPED_TEST(ModelStoreTest, IdsAreNeverUsedAgain) {
  const auto max_id = [this]() {
    uint64_t max = 0;
    auto reader = this->store_->OpenRevision(Ref("org/m:main"));
    EXPECT_TRUE(reader.ok());
    for (const uint64_t id : ObjectIdsOf((*reader)->revision())) {
      max = std::max(max, id);
    }
    return max;
  };
  this->MustUpload("org/m", "main", {PlainSample(1), LargeSample(2)}, 1);
  const uint64_t first = max_id();
  ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
  EXPECT_EQ(this->DataKeyCount(), 0);
  this->Reopen();
  {
    auto upload = this->store_->BeginUpload("org/m");
    ASSERT_TRUE(upload.ok());
    const auto large = AddSample(upload->get(), LargeSample(2));
    ASSERT_TRUE(large.ok());
    EXPECT_GT(*large, first);
  }
  this->Reopen();
  this->MustUpload("org/m", "main", {PlainSample(1), LargeSample(2)}, 1);
  EXPECT_GT(max_id(), first + 1);
}

TYPED_TEST(ModelStoreTest, ObjectsAreWalkedOnceWithTheirUses) {
  EXPECT_EQ(*this->store_->OpenNextObject(0), nullptr);
  const std::string a = this->MustUpload("org/a", "main", {PlainSample(1)}, 1);
  const std::string b =
      this->MustUpload("org/b", "main", {PlainSample(1), PlainSample(2)}, 1);
  std::vector<size_t> use_counts;
  uint64_t last = 0;
  while (true) {
    auto reader = this->store_->OpenNextObject(last);
    ASSERT_TRUE(reader.ok()) << reader.status();
    if (*reader == nullptr) break;
    EXPECT_GT((*reader)->object_id(), last);
    last = (*reader)->object_id();
    EXPECT_EQ((*reader)->GetObject()->id, last);
    use_counts.push_back(this->store_->UsesOf(last, 10)->size());
    EXPECT_EQ(this->store_->UsesOf(last, 1)->size(), 1u);
  }
  // The tensor and the file of both models, then the tensor of one.
  EXPECT_THAT(use_counts, ElementsAre(2, 2, 1));
  const auto uses = this->store_->UsesOf(last, 10);
  EXPECT_EQ(uses->front().model, "org/b");
  EXPECT_EQ(uses->front().revision, b);
  EXPECT_EQ(uses->front().file, "model.safetensors");
  EXPECT_FALSE(uses->front().tensor.empty());
  EXPECT_EQ(*this->store_->OpenNextObject(UINT64_MAX), nullptr);
}

// An object that a reader holds outlives its last revision, and not the reader.
TYPED_TEST(ModelStoreTest, ObjectReaderHoldsItsObject) {
  this->MustUpload("org/a", "main", {PlainSample(1)}, 1);
  {
    auto reader = this->store_->OpenNextObject(0);
    ASSERT_TRUE(reader.ok() && *reader != nullptr);
    ASSERT_TRUE(this->store_->Delete(Ref("org/a:main")).ok());
    EXPECT_TRUE((*reader)->GetObject().ok());
    EXPECT_EQ(this->DataKeyCount(), 1);
    EXPECT_TRUE(this->store_->UsesOf((*reader)->object_id(), 10)->empty());
  }
  EXPECT_EQ(this->DataKeyCount(), 0);
}

TYPED_TEST(ModelStoreTest, ReaderReadsOnlyItsRevision) {
  this->MustUpload("org/a", "main", {PlainSample(1)}, 1);
  this->MustUpload("org/b", "main", {PlainSample(2)}, 2);
  auto a = this->store_->OpenRevision(Ref("org/a:main"));
  auto b = this->store_->OpenRevision(Ref("org/b:main"));
  ASSERT_TRUE(a.ok() && b.ok());
  const uint64_t id = (*b)->revision().files[0].segments[0].object_id;
  EXPECT_THAT((*a)->GetObject(id).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  const auto object = (*b)->GetObject(id);
  ASSERT_TRUE(object.ok());
  const model::ValueAddress value =
      model::ValuesOf(object->chunks[0], 1).front();
  EXPECT_TRUE((*b)->GetValue(id, 0, value).ok());
  EXPECT_THAT((*a)->GetValue(id, 0, value).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT((*b)->GetValue(id, 1, value).status(),
              StatusIs(absl::StatusCode::kDataLoss, "chunk 1"));
}

}  // namespace
}  // namespace qstore::storage
