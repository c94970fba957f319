// JPEG by libjpeg-turbo: the header, and a rectangle of the pixels at 1/1, 1/2, 1/4 or 1/8. A module of its own, so
// that where the library is missing nothing but this is.
#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace nb = nanobind;

namespace {

using Pixels = nb::ndarray<uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

// What libjpeg works with. It comes first in Decoder, so that its callbacks find the rest.
struct Decoder {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  std::jmp_buf failed;
  bool cut = false;  // the data ended before the image did

  Decoder() {
    info.err = jpeg_std_error(&errors);
    errors.error_exit = [](j_common_ptr info) { std::longjmp(reinterpret_cast<Decoder*>(info)->failed, 1); };
    errors.emit_message = [](j_common_ptr info, int level) {
      if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) reinterpret_cast<Decoder*>(info)->cut = true;
    };
    errors.output_message = [](j_common_ptr) {};
  }
};

struct Header {
  int width = 0, height = 0;
  bool plain = false;     // grey, YCbCr or RGB: what libjpeg makes RGB
  bool metadata = false;  // an APP1 segment, which may hold an orientation
};

// C++ objects with destructors must not live across setjmp: the functions below have none.
bool read_header(Decoder& decoder, const uint8_t* data, size_t size, Header* header) {
  if (setjmp(decoder.failed)) {
    jpeg_destroy_decompress(&decoder.info);
    return false;
  }
  jpeg_create_decompress(&decoder.info);
  jpeg_mem_src(&decoder.info, data, size);
  jpeg_save_markers(&decoder.info, JPEG_APP0 + 1, 8);
  jpeg_read_header(&decoder.info, TRUE);
  const J_COLOR_SPACE stored = decoder.info.jpeg_color_space;
  header->width = static_cast<int>(decoder.info.image_width);
  header->height = static_cast<int>(decoder.info.image_height);
  header->plain = stored == JCS_GRAYSCALE || stored == JCS_YCbCr || stored == JCS_RGB;
  header->metadata = decoder.info.marker_list != nullptr;
  jpeg_destroy_decompress(&decoder.info);
  return !decoder.cut;
}

// Decodes rows of `pixels` from (left, top) on of the image at 1/denominator.
bool read_pixels(Decoder& decoder, const uint8_t* data, size_t size, int denominator, unsigned left, unsigned top,
                 unsigned width, uint8_t** rows, unsigned height) {
  if (setjmp(decoder.failed)) {
    jpeg_destroy_decompress(&decoder.info);
    return false;
  }
  jpeg_decompress_struct& info = decoder.info;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, data, size);
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  info.scale_num = 1;
  info.scale_denom = static_cast<unsigned>(denominator);
  info.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&info);
  bool fits = left + width <= info.output_width && top + height <= info.output_height;
  if (fits && (left > 0 || width < info.output_width)) {
    JDIMENSION offset = left, columns = width;
    jpeg_crop_scanline(&info, &offset, &columns);
    fits = offset == left && columns == width;  // unless `left` is no multiple of the interleaved blocks' width
  }
  if (fits) {
    if (top > 0) jpeg_skip_scanlines(&info, top);
    for (unsigned y = 0; y < height;) y += jpeg_read_scanlines(&info, rows + y, height - y);
    // Data that end as a JPEG ends are whole, and need no reading to the end.
    if (data[size - 2] != 0xFF || data[size - 1] != JPEG_EOI) {
      // Skipping the last row skips reading: it is decoded.
      const unsigned rest = info.output_height - info.output_scanline;
      JSAMPARRAY last = info.mem->alloc_sarray(reinterpret_cast<j_common_ptr>(&info), JPOOL_IMAGE, 3 * width, 1);
      if (rest > 1) jpeg_skip_scanlines(&info, rest - 1);
      if (rest > 0) jpeg_read_scanlines(&info, last, 1);
      jpeg_finish_decompress(&info);
    }
  }
  jpeg_destroy_decompress(&info);
  return fits && !decoder.cut;
}

nb::object header_of(nb::bytes data) {
  Decoder decoder;
  Header header;
  if (!read_header(decoder, static_cast<const uint8_t*>(data.data()), data.size(), &header)) return nb::none();
  return nb::make_tuple(header.width, header.height, header.plain, header.metadata);
}

bool decode(nb::bytes data, int denominator, int left, int top, Pixels pixels) {
  if (denominator != 1 && denominator != 2 && denominator != 4 && denominator != 8)
    throw std::invalid_argument("denominator must be 1, 2, 4 or 8");
  if (left < 0 || top < 0 || !pixels.size() || data.size() < 2)
    throw std::invalid_argument("left and top must be at least 0, pixels and data not empty");
  const size_t stride = 3 * pixels.shape(1);
  std::vector<uint8_t*> rows(pixels.shape(0));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = pixels.data() + y * stride;
  const auto* const bytes = static_cast<const uint8_t*>(data.data());
  const size_t size = data.size();
  Decoder decoder;
  nb::gil_scoped_release release;
  return read_pixels(decoder, bytes, size, denominator, static_cast<unsigned>(left), static_cast<unsigned>(top),
                     static_cast<unsigned>(pixels.shape(1)), rows.data(), static_cast<unsigned>(rows.size()));
}

}  // namespace

NB_MODULE(_jpeg, m) {
  m.def("header", &header_of, nb::arg("data"),
        "Returns (width, height, whether decode can take it, whether it has metadata), or None if it is not whole.");
  m.def("decode", &decode, nb::arg("data"), nb::arg("denominator"), nb::arg("left"), nb::arg("top"), nb::arg("pixels"),
        "Fills pixels (h, w, 3) with RGB from (left, top) on of the reduced image, and returns whether it could.");
}
