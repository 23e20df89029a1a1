// What can be done with a result in the browser alone: the map's opacity and sign, and downloads.
// It asks no kernel, and what is downloaded is made of what is on the page: helpers/panel_view.py.

const WIDTH = 960; // px of the picture that can be downloaded
const MARGIN = 32;
const LINE = 26;

// Give a result's controls their life; `choice` outlives it, so that the next looks the same.
function bringToLife(result, record, choice) {
  const find = (selector) => result.querySelector(selector);
  const [opacity, against] = [".cxr-opacity", ".cxr-against"].map(find);
  const apply = () => {
    result.style.setProperty("--cxr-opacity", choice.opacity);
    result.classList.toggle("cxr-show-signed", choice.signed);
  };
  opacity.value = 100 * choice.opacity;
  against.checked = choice.signed;
  apply();
  opacity.addEventListener("input", () => {
    choice.opacity = opacity.value / 100;
    apply();
  });
  against.addEventListener("change", () => {
    choice.signed = against.checked;
    apply();
  });
  find(".cxr-save-json").addEventListener("click", () => {
    save(new Blob([JSON.stringify(record, null, 2)], { type: "application/json" }), "json");
  });
  find(".cxr-save-png").addEventListener("click", () => {
    draw(result, record, choice).toBlob((blob) => save(blob, "png"), "image/png");
  });
}

function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `prediction.${ending}`; // never after the file that was chosen
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// The result as one picture, black on white whatever the theme.
function draw(result, record, choice) {
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const paragraphs = [
    [record.text[0], "bold 22px sans-serif"],
    [record.text.slice(1).join(" "), "17px sans-serif"],
    ...record.warnings.map((sentence) => [`Warning: ${sentence}`, "bold 17px sans-serif"]),
    [record.map.summary, "17px sans-serif"],
    [`${record.notice} ${modelName(record.model)}`, "bold 17px sans-serif"],
  ].map(([text, font]) => ({ font, lines: wrap(pen, text, font) }));
  const height = paragraphs.reduce((sum, { lines }) => sum + LINE * (lines.length + 0.5), 0);
  const side = (WIDTH - 3 * MARGIN) / 2;
  canvas.width = WIDTH;
  canvas.height = side + 4 * LINE + height + 2 * MARGIN;
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  drawPictures(pen, result, record, choice, side);
  pen.fillStyle = "black";
  let y = MARGIN + side + 4 * LINE;
  for (const { font, lines } of paragraphs) {
    pen.font = font;
    for (const line of lines) {
      pen.fillText(line, MARGIN, y);
      y += LINE;
    }
    y += LINE / 2;
  }
  return canvas;
}

// Film, film under its map, and the colour bar in the same tints.
function drawPictures(pen, result, record, choice, side) {
  const right = 2 * MARGIN + side;
  const film = result.querySelector(".cxr-film");
  const kind = choice.signed ? ".cxr-signed" : ".cxr-for";
  const [map, ramp] = [".cxr-stack", ".cxr-colour-bar"].map((place) =>
    result.querySelector(`${place} ${kind}.cxr-layer`),
  );
  for (const x of [MARGIN, right]) pen.drawImage(film, x, MARGIN, side, side);
  pen.fillStyle = "rgb(128, 128, 128)";
  pen.fillRect(right, MARGIN + side + 8, side, 16);
  pen.globalAlpha = choice.opacity;
  pen.drawImage(map, right, MARGIN, side, side);
  pen.drawImage(ramp, right, MARGIN + side + 8, side, 16);
  pen.globalAlpha = 1;
  pen.fillStyle = "black";
  pen.font = "15px sans-serif";
  const limit = record.map.end_of_colour_bar;
  const y = MARGIN + side + 42;
  pen.fillText(choice.signed ? `−${limit} (against death)` : "0", right, y);
  pen.textAlign = "right";
  pen.fillText(`${limit} logits for death, or more`, right + side, y);
  pen.textAlign = "left";
}

function modelName({ title, weights_sha256: hash }) {
  return `Model: ${[title, hash && `weights ${hash.slice(0, 12)}`].filter(Boolean).join(", ") || "unnamed"}.`;
}

function wrap(pen, text, font) {
  pen.font = font;
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width <= WIDTH - 2 * MARGIN) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
