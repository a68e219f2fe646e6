// Pictures whose components Grafana's package does not bring: drawn from the same fields, colours and units.
import { FieldType, getFieldDisplayName } from '@grafana/data';
import React from 'react';

const FONT = 12;

const numbers = (frame) => frame.fields.filter((field) => field.type === FieldType.number);
const times = (frame) => frame.fields.find((field) => field.type === FieldType.time);
const texts = (frame) => frame.fields.filter((field) => field.type === FieldType.string);
const shown = (field, value) => {
  const { prefix = '', text, suffix = '' } = field.display(value);
  return `${prefix}${text}${suffix}`;
};

function scale(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

function extent(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return [Math.min(...known), Math.max(...known)];
}

function Legend({ items, width, y, theme }) {
  let x = 0;
  return items.map(({ name, colour }, index) => {
    const at = x;
    x += 24 + [...name].reduce((sum, sign) => sum + (sign > '\u2e80' ? FONT : FONT * 0.6), 0) + 10;
    return at > width - 40 ? null : (
      <g key={index} transform={`translate(${at},${y})`}>
        <rect width={14} height={4} y={-6} fill={colour} />
        <text x={18} fontSize={FONT} fill={theme.colors.text.secondary}>{name}</text>
      </g>
    );
  });
}

export function BarChart({ frames, width, height, theme }) {
  const frame = frames[0];
  const names = texts(frame)[0] ?? times(frame);
  const series = numbers(frame).filter((field) => !field.config.custom?.hideFrom?.viz);
  const label = (row) => (names.type === FieldType.time ? shown(names, names.values[row]) : String(names.values[row]));
  const [, most] = extent(series.flatMap((field) => [...field.values, 0]));
  const bottom = height - 44;
  const y = scale(0, most, bottom, 12);
  const slot = width / Math.max(1, frame.length);
  const bar = Math.max(2, Math.min(60, (slot * 0.7) / series.length));
  const every = Math.ceil((frame.length * 80) / width);
  return (
    <svg width={width} height={height}>
      {Array.from({ length: frame.length }, (_, row) => (
        <g key={row} transform={`translate(${slot * row},0)`}>
          {series.map((field, index) => {
            const value = field.values[row] ?? 0;
            const left = (slot - bar * series.length) / 2 + bar * index;
            return (
              <g key={index}>
                <rect x={left} y={y(value)} width={bar - 2} height={bottom - y(value)} fill={field.display(value).color} />
                {frame.length <= 16 && (
                  <text x={left + bar / 2} y={y(value) - 3} fontSize={11} textAnchor="middle" fill={theme.colors.text.primary}>
                    {shown(field, value)}
                  </text>
                )}
              </g>
            );
          })}
          {row % every === 0 && (
            <text x={slot / 2} y={bottom + 16} fontSize={FONT} textAnchor="middle" fill={theme.colors.text.secondary}>{label(row)}</text>
          )}
        </g>
      ))}
      <Legend theme={theme} width={width} y={height - 6} items={series.map((field) => ({ name: getFieldDisplayName(field, frame, frames), colour: field.display(most).color }))} />
    </svg>
  );
}

export function PieChart({ frames, width, height, theme }) {
  const slices = frames.flatMap((frame) => {
    const names = texts(frame)[0];
    return numbers(frame).flatMap((field) =>
      names
        ? field.values.map((value, row) => ({ name: String(names.values[row]), value, field }))
        : [{ name: getFieldDisplayName(field, frame, frames), value: field.values.at(-1) ?? 0, field }]
    );
  });
  const total = slices.reduce((sum, { value }) => sum + value, 0) || 1;
  const radius = Math.min(width / 3, height / 2) - 8;
  const colours = theme.visualization.palette;
  let angle = -Math.PI / 2;
  return (
    <svg width={width} height={height}>
      {slices.map(({ value }, index) => {
        const from = angle;
        angle += (value / total) * 2 * Math.PI;
        const point = (at) => `${radius + 8 + radius * Math.cos(at)} ${height / 2 + radius * Math.sin(at)}`;
        const fill = theme.visualization.getColorByName(colours[index % colours.length]);
        if (value === total) {
          return <circle key={index} cx={radius + 8} cy={height / 2} r={radius} fill={fill} />;
        }
        return <path key={index} fill={fill} d={`M${radius + 8} ${height / 2}L${point(from)}A${radius} ${radius} 0 ${angle - from > Math.PI ? 1 : 0} 1 ${point(angle)}Z`} />;
      })}
      {slices.map(({ name, value, field }, index) => (
        <g key={index} transform={`translate(${2 * radius + 28},${20 + index * 20})`}>
          <rect width={12} height={12} y={-11} fill={theme.visualization.getColorByName(colours[index % colours.length])} />
          <text x={18} fontSize={FONT} fill={theme.colors.text.primary}>{`${name}  ${shown(field, value)}`}</text>
        </g>
      ))}
    </svg>
  );
}

export function StateTimeline({ frames, width, height, theme, range }) {
  const rows = frames.flatMap((frame) => numbers(frame).concat(texts(frame)).map((field) => ({ frame, field, time: times(frame) })));
  const left = 130;
  const x = scale(range.from.valueOf(), range.to.valueOf(), left, width - 8);
  const tall = Math.min(36, (height - 30) / Math.max(1, rows.length));
  return (
    <svg width={width} height={height}>
      {rows.map(({ frame, field, time }, index) => (
        <g key={index} transform={`translate(0,${index * tall})`}>
          <text x={left - 8} y={tall / 2 + 4} fontSize={FONT} textAnchor="end" fill={theme.colors.text.primary}>{getFieldDisplayName(field, frame, frames)}</text>
          {field.values.map((value, row) => {
            if (value === null || value === undefined) {
              return null;
            }
            const from = x(time.values[row]);
            const to = x(time.values[row + 1] ?? range.to.valueOf());
            return <rect key={row} x={from} y={2} width={Math.max(1, to - from)} height={tall - 4} fill={field.display(value).color} />;
          })}
        </g>
      ))}
      {Array.from({ length: 7 }, (_, tick) => {
        const at = range.from.valueOf() + ((range.to.valueOf() - range.from.valueOf()) * tick) / 6;
        return <text key={tick} x={Math.min(width - 20, Math.max(left + 16, x(at)))} y={height - 8} fontSize={11} textAnchor="middle" fill={theme.colors.text.secondary}>{new Date(at).toLocaleString('zh-CN', { timeZone: 'Asia/Shanghai', month: 'numeric', day: 'numeric', hour: '2-digit', minute: '2-digit' })}</text>;
      })}
    </svg>
  );
}

export function MapOfPlaces({ panel, frames, width, height, theme }) {
  const points = frames.flatMap((frame) => {
    const named = (name) => frame.fields.find((field) => field.name === name);
    const location = panel.options.layers[0].location;
    const [lat, lon] = [named(location.latitude ?? 'lat'), named(location.longitude ?? 'lon')];
    const colourOf = panel.options.layers[0].config.style.color?.field;
    const colour = colourOf ? named(colourOf) : undefined;
    return Array.from({ length: frame.length }, (_, row) => ({
      lat: lat.values[row],
      lon: lon.values[row],
      colour: colour ? colour.display(colour.values[row]).color : theme.visualization.getColorByName(panel.options.layers[0].config.style.color?.fixed ?? 'green'),
      value: colour ? colour.values[row] ?? 0 : 0,
    }));
  }).filter(({ lat, lon }) => lat && lon);
  const [south, north] = extent(points.map(({ lat }) => lat));
  const [west, east] = extent(points.map(({ lon }) => lon));
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const zoom = Math.min((width - 40) / ((east - west) * squeeze || 1e-3), (height - 40) / (north - south || 1e-3));
  const x = (lon) => width / 2 + (lon - (west + east) / 2) * squeeze * zoom;
  const y = (lat) => height / 2 - (lat - (south + north) / 2) * zoom;
  return (
    <svg width={width} height={height} style={{ background: theme.colors.background.canvas }}>
      {points.sort((a, b) => a.value - b.value).map(({ lat, lon, colour, value }, index) => (
        <circle key={index} cx={x(lon)} cy={y(lat)} r={value ? 9 : 4} fill={colour} fillOpacity={value ? 0.95 : 0.6} />
      ))}
    </svg>
  );
}

export function Scatter({ frames, width, height, theme }) {
  const dots = frames.flatMap((frame) => {
    const [xs, ys] = numbers(frame);
    return Array.from({ length: frame.length }, (_, row) => ({ x: xs.values[row], y: ys.values[row] })).filter(({ x, y }) => x !== null && y !== null);
  });
  const [xField, yField] = numbers(frames[0]);
  const x = scale(0, extent(dots.map((dot) => dot.x))[1], 52, width - 12);
  const [, top] = extent(dots.map((dot) => dot.y));
  const y = scale(0, top, height - 40, 12);
  const ticks = Array.from({ length: 6 }, (_, tick) => tick / 5);
  const [, right] = extent(dots.map((dot) => dot.x));
  return (
    <svg width={width} height={height}>
      {ticks.map((part) => (
        <g key={part} fontSize={11} fill={theme.colors.text.secondary}>
          <line x1={52} x2={width - 12} y1={y(top * part)} y2={y(top * part)} stroke={theme.colors.border.weak} />
          <text x={46} y={y(top * part) + 4} textAnchor="end">{shown(yField, top * part)}</text>
          <text x={x(right * part)} y={height - 24} textAnchor="middle">{shown(xField, right * part)}</text>
        </g>
      ))}
      {dots.map((dot, index) => <circle key={index} cx={x(dot.x)} cy={y(dot.y)} r={3} fill={theme.visualization.getColorByName('blue')} fillOpacity={0.6} />)}
      <text x={width / 2} y={height - 6} fontSize={FONT} textAnchor="middle" fill={theme.colors.text.secondary}>{getFieldDisplayName(xField, frames[0], frames)}</text>
    </svg>
  );
}
