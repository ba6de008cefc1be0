#include "storage/rocksdb/figures.h"

#include <rocksdb/db.h>
#include <rocksdb/statistics.h>

#include <string>

#include "storage/rocksdb/blob_store.h"
#include "storage/rocksdb/histogram_text.h"

namespace qstore::storage {

RocksDbFigures ReadRocksDbFigures(const Engine& engine) {
  RocksDbFigures figures;
  const auto* store = dynamic_cast<RocksDbBlobStore*>(engine.blobs.get());
  if (store == nullptr) return figures;
  const auto now = store->database().generation();
  figures.keys_read = now->db().GetDBOptions().statistics->getTickerCount(
      rocksdb::NUMBER_KEYS_READ);
  for (const Family family : AllFamilies()) {
    std::string histograms;
    if (now->db().GetProperty(now->Handle(Column::Of(family)),
                              rocksdb::DB::Properties::kCFFileHistogram,
                              &histograms)) {
      figures.file_reads[FamilyIndex(family)] =
          SumOfHistogramCounts(histograms);
    }
  }
  return figures;
}

}  // namespace qstore::storage
