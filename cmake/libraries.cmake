# Outside libraries, all through pkg-config; compiler flags for our own code.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(WEBSOCKETS REQUIRED IMPORTED_TARGET libwebsockets)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(QRENCODE REQUIRED IMPORTED_TARGET libqrencode)
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

add_library(enclave_flags INTERFACE)
target_compile_options(enclave_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion
  -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Werror
  -Wimplicit-function-declaration -Wincompatible-pointer-types -Wint-conversion
  -fno-common -fstack-protector-strong -U_FORTIFY_SOURCE
  $<$<NOT:$<BOOL:${ENCLAVE_SANITIZE}>>:-D_FORTIFY_SOURCE=2>
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
target_link_options(enclave_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
target_compile_definitions(enclave_flags INTERFACE _GNU_SOURCE
  ENCLAVE_VERSION="${PROJECT_VERSION}")
target_include_directories(enclave_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
if(ENCLAVE_SANITIZE STREQUAL "thread")
  set(sanitize -fsanitize=thread)
elseif(ENCLAVE_SANITIZE)
  set(sanitize -fsanitize=address,undefined)
  target_compile_options(enclave_flags INTERFACE -fno-sanitize-recover=undefined)
endif()
if(ENCLAVE_SANITIZE)
  target_compile_options(enclave_flags INTERFACE ${sanitize} -fno-omit-frame-pointer)
  target_link_options(enclave_flags INTERFACE ${sanitize})
endif()
if(ENCLAVE_FUZZ)
  target_compile_options(enclave_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
