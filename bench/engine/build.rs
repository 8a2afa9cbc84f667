fn main() {
    let here = env!("CARGO_MANIFEST_DIR");
    println!("cargo:rustc-link-search=native={here}/../../build/core");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{here}/../../build/core");
    println!("cargo:rerun-if-changed=src");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("src/unordered_map.cpp")
        .compile("unordered_map");
    cc::Build::new()
        .include("../../include")
        .file("src/shim.c")
        .compile("shim");
    println!("cargo:rustc-link-lib=dylib=tsc");
}
