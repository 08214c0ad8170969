/* Draws each chart when it is about to be seen, in the colours of the page, which may change. */
(() => {
  const plots = new Set();
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  const template = () => {
    const family = getComputedStyle(document.body).fontFamily;
    const axis = { gridcolor: color('line'), zerolinecolor: color('line-strong'), linecolor: color('line-strong'), tickfont: { color: color('muted') }, ticks: '', title: { font: { color: color('muted'), size: 13 } } };
    return {
      layout: {
        colorway: [1, 2, 3, 4, 5, 6, 7, 8].map(number => color(`series-${number}`)),
        font: { family, size: 13, color: color('ink') },
        paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
        xaxis: axis, yaxis: axis,
        legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom' },
        hoverlabel: { align: 'left', bgcolor: color('card'), bordercolor: color('line-strong'), font: { family, color: color('ink') } },
        dragmode: matchMedia('(pointer: coarse)').matches ? false : 'zoom',
      },
      data: {
        bar: [{ marker: { line: { width: 0 } }, insidetextfont: { color: color('card') } }],
        heatmap: [{ colorscale: [[0, color('heat-0')], [0.5, color('heat-1')], [1, color('heat-2')]], colorbar: { tickfont: { color: color('muted') } } }],
        funnel: [{ insidetextfont: { color: color('card') }, marker: { color: color('series-1') }, connector: { fillcolor: color('connector'), line: { width: 0 } } }],
      },
    };
  };

  const draw = figure => {
    const plot = figure.querySelector('.plot');
    if (plots.has(plot)) return;
    plots.add(plot);
    const { data, layout } = JSON.parse(figure.querySelector('script').textContent);
    if (plot.clientWidth < 600 && layout.yaxis.short) layout.yaxis.ticktext = layout.yaxis.short;
    Plotly.newPlot(plot, data, { ...layout, template: template() }, { displayModeBar: false, responsive: true });
  };

  const figures = document.querySelectorAll('figure');
  const observer = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        observer.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: '400px' });
  figures.forEach(figure => observer.observe(figure));

  // Where the reports do not stand beside the page, their list would be in the way.
  const list = document.querySelector('nav details');
  const wide = matchMedia('(min-width: 64rem)');
  const place = () => { list.open = wide.matches; };
  wide.addEventListener('change', place);
  place();

  const recolor = () => plots.forEach(plot => Plotly.relayout(plot, { template: template() }));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolor);
  matchMedia('print').addEventListener('change', recolor);
  // Paper is narrower than most windows; what does not fit would make all of the page small.
  const PAPER = 640;
  addEventListener('beforeprint', () => {
    figures.forEach(draw);
    plots.forEach(plot => Plotly.relayout(plot, { width: Math.min(plot.clientWidth, PAPER) }));
  });
  addEventListener('afterprint', () => plots.forEach(plot => Plotly.relayout(plot, { width: null, autosize: true })));
})();
