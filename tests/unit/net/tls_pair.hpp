// Certificates made on the spot, for loopback only.
#pragma once

#include <string>

namespace bridge55::test {

struct Certificate {
  std::string cert_file, key_file;
};

struct CertificateRequest {
  std::string name = "localhost";               // DNS subject alternative name
  std::string address;                          // IP subject alternative name; empty: none
  long valid_from = -3600, valid_until = 3600;  // seconds from now
};

// Self-signed; files live in `directory`.
Certificate make_certificate(const std::string& directory, const CertificateRequest& request);

// A directory that goes away with the object.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace bridge55::test
