# Official test vectors are not part of this repository: where the folder is absent, the tests that
# read them say "skipped".
set(ENCLAVE_VECTORS "${CMAKE_SOURCE_DIR}/../shared/vectors" CACHE PATH
  "folder of the official test vectors (wycheproof, acvp-mlkem768, ...), may be absent")

# test_links(TARGET SOURCE): one of the first lines of SOURCE names the folders it uses:
#   /* uses: base crypto core/feed */    or    /* uses: all */
function(test_links target source)
  file(STRINGS ${source} line LIMIT_COUNT 8 REGEX "/\\* uses:")
  string(REGEX REPLACE ".*uses:([^*]*)\\*/.*" "\\1" folders "${line}")
  string(STRIP "${folders}" folders)
  separate_arguments(folders)
  if(folders STREQUAL "all")
    set(folders ${ALL})
  endif()
  if("node/enclave" IN_LIST folders) # its workflows use each other
    list(APPEND folders ${NODE})
    list(REMOVE_DUPLICATES folders)
  endif()
  use(${target} ${folders})
  # A new "uses:" line is seen at the next build.
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endfunction()

# Each tests/{unit,vectors}/test_*.c is a cmocka program and a test of its own.
function(test_program label source)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  test_links(${name} ${source})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE PkgConfig::CMOCKA Threads::Threads)
  target_compile_definitions(${name} PRIVATE
    VECTORS_OWN="${CMAKE_SOURCE_DIR}/tests/vectors"
    VECTORS_OFFICIAL="${ENCLAVE_VECTORS}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 120)
endfunction()

# Each tests/e2e/test_*.{sh,py} drives the real programs: it finds them in $ENCLAVE_BUILD, works in a
# fresh directory of its own, and ends with 0. Files with other names are helpers of these.
function(test_script source)
  get_filename_component(name ${source} NAME_WE)
  if(source MATCHES "\\.py$")
    set(interpreter python3 -B)
  else()
    set(interpreter bash)
  endif()
  add_test(NAME e2e_${name} COMMAND ${interpreter} ${source} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
  set(environment "ENCLAVE_BUILD=${CMAKE_BINARY_DIR};ENCLAVE_SOURCE=${CMAKE_SOURCE_DIR}")
  if(ENCLAVE_SANITIZE)
    list(APPEND environment ENCLAVE_SANITIZED=1)
  endif()
  set_tests_properties(e2e_${name} PROPERTIES LABELS e2e TIMEOUT 300 ENVIRONMENT "${environment}")
endfunction()

if(BUILD_TESTING)
  foreach(label unit vectors)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${label}/test_*.c)
    foreach(source ${sources})
      test_program(${label} ${source})
    endforeach()
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/tests/e2e/test_*.sh ${CMAKE_SOURCE_DIR}/tests/e2e/test_*.py)
  foreach(source ${sources})
    test_script(${source})
  endforeach()
endif()

foreach(part tests/sim fuzz bench)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${part}/CMakeLists.txt)
    add_subdirectory(${part})
  endif()
endforeach()
