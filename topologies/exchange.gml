# An internet exchange: one large switch, six networks that meet there, and two private links beside it.
graph [
  directed 0
  node [ id 0 label "exchange" kind "switch" ]
  node [ id 1 label "Carrier A" ]
  node [ id 2 label "Carrier B" ]
  node [ id 3 label "Content" ]
  node [ id 4 label "University" ]
  node [ id 5 label "City net" ]
  node [ id 6 label "Hosting" ]
  edge [ source 1 target 0 rate "100Gbps" delay "20us" cost 10 ]
  edge [ source 2 target 0 rate "100Gbps" delay "25us" cost 10 ]
  edge [ source 3 target 0 rate "100Gbps" delay "15us" cost 10 ]
  edge [ source 4 target 0 rate "10Gbps" delay "60us" cost 10 ]
  edge [ source 5 target 0 rate "10Gbps" delay "80us" cost 10 ]
  edge [ source 6 target 0 rate "10Gbps" delay "10us" cost 10 ]
  edge [ source 1 target 3 rate "400Gbps" delay "18us" cost 1 ]
  edge [ source 1 target 2 rate "100Gbps" delay "40us" cost 5 ]
]
