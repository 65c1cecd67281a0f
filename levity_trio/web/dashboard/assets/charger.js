// Copying a frame.

function offerCopies() {
  for (const button of document.querySelectorAll("button[data-copies][hidden]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
  button.textContent = JSON.parse(document.documentElement.dataset.words).copied;
});

if (navigator.clipboard) {
  document.addEventListener("toggle", offerCopies, true); // a button is seen only where its frame is opened
  offerCopies();
}
