// Review: rows do not move under a finger. What is new since the page was shown is counted, and shown on request.

{
  const news = document.getElementById("review-new");
  const times = document.getElementById("review-times");
  const count = () => {
    const later = [...times.querySelectorAll("li")].filter((one) => one.textContent > news.dataset.seen);
    news.querySelector(".count").textContent = later.length;
    news.hidden = later.length === 0;
  };
  if (news) new MutationObserver(count).observe(times, { childList: true, characterData: true, subtree: true });
}
