// The results of the commands as people read them.
#pragma once

#include <string>

#include "client/download/download.h"
#include "client/upload/upload.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// The first digits of a revision; enough to name it again.
std::string ShortRevision(const std::string& revision);

// "2026-11-24 09:00:00 UTC"
std::string FormatTime(int64_t unix_seconds);

std::string DescribeUpload(const UploadResult& result);
std::string DescribeDownload(const DownloadResult& result,
                             const std::string& directory);
std::string DescribeList(const v1::ListModelsResponse& response);
std::string DescribeRevision(const v1::GetRevisionResponse& revision);
std::string DescribeDelete(const std::string& model,
                           const v1::DeleteResponse& response);
std::string DescribeVerify(const std::string& reference,
                           const v1::VerifyResponse& response);

}  // namespace qstore::client
