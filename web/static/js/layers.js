// What is drawn over a scan, each as a picture of its own: tumor, liver edge, probability, doubt.

const TUMOR = [255, 96, 64];
const LIVER = [64, 190, 255];
// Dark to light through violet and orange: readable without colours, apart from the grey below.
const HEAT = [[0, 44, 16, 92], [0.35, 140, 41, 129], [0.65, 222, 73, 104], [0.85, 254, 159, 109], [1, 252, 253, 191]];
const FAINTEST = 0.04;

export async function loadPicture(address) {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  return picture;
}

function readGrey(picture, width, height, smooth) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = smooth;
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]);
}

function paint(width, height, colourAt) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const colour = colourAt(i);
    if (colour) image.data.set(colour, 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Tumor filled, and the edge of the liver with all that lies in it; `thick` in px.
export function maskLayers(picture, width, height, thick) {
  const mask = readGrey(picture, width, height, false);
  const inLiver = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] >= 64;
  const steps = [[thick, 0], [-thick, 0], [0, thick], [0, -thick]];
  const isEdge = (i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return mask[i] >= 64 && steps.some(([dx, dy]) => !inLiver(x + dx, y + dy));
  };
  return {
    tumor: paint(width, height, (i) => (mask[i] >= 192 ? [...TUMOR, 255] : null)),
    liver: paint(width, height, (i) => (isEdge(i) ? [...LIVER, 255] : null)),
  };
}

export function heatLayer(picture, width, height) {
  const grey = readGrey(picture, width, height, true);
  return paint(width, height, (i) => (grey[i] / 255 > FAINTEST ? [...heatOf(grey[i] / 255), 255] : null));
}

function heatOf(share) {
  const next = Math.max(1, HEAT.findIndex(([at]) => at >= share));
  const [from, ...low] = HEAT[next - 1];
  const [to, ...high] = HEAT[next];
  return low.map((value, channel) => value + ((high[channel] - value) * (share - from)) / (to - from));
}
