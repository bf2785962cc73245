// Small drawings, all of one stroke. They never stand alone: a word is beside
// them or in the label of what holds them.

const paths = {
  add: 'M12 5v14M5 12h14',
  archive: 'M4 7h16M5 7l1 12h12l1-12M4 4h16v3H4zM10 11h4',
  arrow: 'M5 12h14M13 6l6 6-6 6',
  back: 'M15 5l-7 7 7 7',
  chart: 'M4 20V10M10 20V4M16 20v-7M21 20H3',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  down: 'M6 9l6 6 6-6',
  edit: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  external: 'M14 4h6v6M20 4l-9 9M18 14v6H4V6h6',
  home: 'M4 11l8-7 8 7M6 10v10h12V10',
  import: 'M12 4v11M7 10l5 5 5-5M4 20h16',
  link: 'M10 14a4 4 0 006 .400l3-3a4.200 4.200 0 00-6-6l-1.500 1.500M14 10a4 4 0 00-6-.400l-3 3a4.200 4.200 0 006 6l1.500-1.500',
  money: 'M3 7h18v11H3zM12 10a2.500 2.500 0 100 5 2.500 2.500 0 000-5zM6 10v5M18 10v5',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 5l12 7-12 7z',
  remove: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13',
  search: 'M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l4.500 4.500',
  site: 'M12 3a9 9 0 100 18 9 9 0 000-18zM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18',
  theme: 'M12 3a9 9 0 100 18zM12 3a9 9 0 010 18',
  user: 'M12 4a4 4 0 100 8 4 4 0 000-8zM4 20c1.500-4 4-5.500 8-5.500s6.500 1.500 8 5.500',
  up: 'M6 15l6-6 6 6',
  warning: 'M12 4L2.500 20h19zM12 10v4M12 17h.01',
} as const

export type IconName = keyof typeof paths

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  )
}
