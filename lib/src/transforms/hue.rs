//! Colours turned on their circle.

use crate::data::{Image, PixelsMut};

/// Turns the hue of the first three numbers of every pixel by a share of the circle.
pub(super) fn turn_hue(image: &mut Image, turn: f32) {
    let channels = image.channels();
    match image.pixels_mut() {
        PixelsMut::U8(values) => {
            // Cut to whole steps of 255, as torchvision does, and around the circle of a byte.
            let steps = (turn * 255.0) as i32 as u8;
            for pixel in values.chunks_exact_mut(channels) {
                if let Some((rgb, _)) = pixel.split_first_chunk_mut::<3>() {
                    let [hue, saturation, value] = hsv_of_bytes(*rgb);
                    *rgb = bytes_of_hsv([hue.wrapping_add(steps), saturation, value]);
                }
            }
        }
        PixelsMut::F32(values) => {
            for pixel in values.chunks_exact_mut(channels) {
                if let Some((rgb, _)) = pixel.split_first_chunk_mut::<3>() {
                    let [hue, saturation, value] = hsv(*rgb);
                    *rgb = rgb_of_hsv([hue + turn, saturation, value]);
                }
            }
        }
    }
}

/// Hue and saturation, 0 to 1, and the largest of the three; hue and saturation of a grey are 0.
fn hsv(rgb: [f32; 3]) -> [f32; 3] {
    let [red, green, blue] = rgb;
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let reach = most - least;
    if reach == 0.0 || most == 0.0 {
        return [0.0, 0.0, most];
    }
    let [r, g, b] = rgb.map(|value| (most - value) / reach);
    let sixths = if red == most {
        b - g
    } else if green == most {
        2.0 + r - b
    } else {
        4.0 + g - r
    };
    [(sixths / 6.0).rem_euclid(1.0), reach / most, most]
}

fn rgb_of_hsv([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue.rem_euclid(1.0) * 6.0;
    let sector = sixths.floor();
    let rest = sixths - sector;
    let p = value * (1.0 - saturation);
    let q = value * (1.0 - saturation * rest);
    let t = value * (1.0 - saturation * (1.0 - rest));
    in_sector(sector as u32, value, [p, q, t])
}

/// The colour in one of the six parts of the circle.
fn in_sector<T: Copy>(sector: u32, v: T, [p, q, t]: [T; 3]) -> [T; 3] {
    match sector % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

/// Hue, saturation and value in bytes, rounded as PIL's mode HSV: hue and saturation are cut to whole numbers.
fn hsv_of_bytes(rgb: [u8; 3]) -> [u8; 3] {
    let [red, green, blue] = rgb;
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return [0, 0, most];
    }
    let reach = f32::from(most - least);
    let [r, g, b] = rgb.map(|value| f32::from(most - value) / reach);
    let sixths = if red == most {
        b - g
    } else if green == most {
        (2.0 + f64::from(r) - f64::from(b)) as f32
    } else {
        (4.0 + f64::from(g) - f64::from(r)) as f32
    };
    let hue = f64::from(sixths) / 6.0 + 1.0;
    let hue = (if hue >= 1.0 { hue - 1.0 } else { hue }) as f32;
    let saturation = reach / f32::from(most);
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

fn bytes_of_hsv([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixths = f64::from(hue) * 6.0 / 255.0;
    let sector = sixths as u32;
    let rest = (sixths - f64::from(sector)) as f32;
    let saturation = f32::from(saturation) / 255.0;
    let level = |share: f64| (f64::from(value) * (1.0 - share) + 0.5) as u8;
    let p = level(f64::from(saturation));
    let q = level(f64::from(saturation * rest));
    let t = level(f64::from(saturation) * (1.0 - f64::from(rest)));
    in_sector(sector, value, [p, q, t])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_comes_back_from_hue_and_saturation() {
        for rgb in [[0.2, 0.4, 0.9], [1.0, 0.0, 0.0], [0.3, 0.9, 0.1], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]] {
            for (back, value) in rgb_of_hsv(hsv(rgb)).into_iter().zip(rgb) {
                assert!((back - value).abs() < 1e-6, "{rgb:?}: {back} for {value}");
            }
        }
    }

    #[test]
    fn a_third_of_the_circle_makes_red_green() {
        let [red, green, blue] = rgb_of_hsv([hsv([1.0, 0.0, 0.0])[0] + 1.0 / 3.0, 1.0, 1.0]);
        assert!(red < 1e-5 && green == 1.0 && blue == 0.0, "{red} {green} {blue}");
    }
}
