# Headers, the CMake package with run-time dispatch, and the pkg-config file. All of it is independent of the CPU.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/emmy)
install(DIRECTORY include/emmy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(TARGETS emmy_core EXPORT emmy_targets)
install(EXPORT emmy_targets NAMESPACE emmy:: FILE emmy-targets.cmake DESTINATION ${package_dir})

configure_package_config_file(cmake/emmy-config.cmake.in ${PROJECT_BINARY_DIR}/emmy-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/emmy-config-version.cmake COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/emmy-config.cmake ${PROJECT_BINARY_DIR}/emmy-config-version.cmake
              cmake/EmmyDispatch.cmake cmake/EmmyHighway.cmake cmake/EmmyTargets.cmake
        DESTINATION ${package_dir})
install(FILES cmake/dispatch/check_exports.cmake cmake/dispatch/find_table.cpp.in cmake/dispatch/isa.cpp.in
        DESTINATION ${package_dir}/dispatch)
install(FILES src/dispatch/cpu.cpp src/dispatch/cpu.hpp DESTINATION ${package_dir}/src/dispatch)

configure_file(cmake/emmy.pc.in ${PROJECT_BINARY_DIR}/emmy.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/emmy.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)

if(TARGET emmy)
  install(TARGETS emmy)
endif()
